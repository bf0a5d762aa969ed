"""Run the benchmark: python -m benchmarks."""

from __future__ import annotations

import signal
import sys
from typing import Sequence

from benchmarks.about import about
from benchmarks.errors import Trouble
from benchmarks.lab import Lab
from benchmarks.options import chooseContenders, chooseRows, parser
from benchmarks.results import Results
from benchmarks.runner import Runner, say
from benchmarks.settings import Settings
from benchmarks.table import report


def main(arguments: Sequence[str]) -> int:
    """Measure and print. 0 when something was measured, 1 when nothing could be, 2 for a wrong command."""
    options = parser().parse_args(arguments)
    settings = Settings.make(options.quick, options.seconds)
    rounds = options.rounds or (2 if options.quick else 5)
    try:
        rows = chooseRows(options.rows, settings)
        contenders = chooseContenders(options.contenders, options.prototype, options.others)
    except Trouble as trouble:
        print(f"benchmarks: {trouble}", file=sys.stderr)
        return 2
    if options.list:
        print("rows:", *(row.key for row in rows), sep="\n  ")
        print("contenders:", *(contender.key for contender in contenders), sep="\n  ")
        return 0
    results = Results(about(rounds, settings.seconds))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    interrupted = False
    try:
        with Lab.opened(settings) as lab:
            Runner(lab, rows, contenders, results).run(rounds)
    except Trouble as trouble:
        print(f"benchmarks: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        interrupted = True
    say("")
    if results.samples:
        print(report(results))
        if options.json:
            results.save(options.json)
    if interrupted:
        return 130
    return 0 if results.samples else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
