"""One cell in a process of its own: `python -m tests.chaos.one '{"fault": ..., "load": ..., "namespaces": true}'`.

Prints the row as JSON. What the programs wrote goes to stderr if something was not as it must be. Ended by a signal it
still ends its programs and removes its namespaces.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path

from attrs import asdict

from tests.chaos.cell import Pace, runCell
from tests.chaos.faults import FAULTS
from tests.chaos.judge import judge
from tests.chaos.row import Row


def main(fault: str, load: str, namespaces: bool) -> int:
    """Run it. The status is 1 when something was not as it must be."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    kind = next(each for each in FAULTS if each.name == fault)
    pace = Pace()
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        result, said = runCell(kind, load, Path(folder), pace, namespaces)
    row = Row.of(result, tuple(judge(result, kind, pace.patience)))
    print(json.dumps(asdict(row)))
    if row.wrong:
        print(said, file=sys.stderr)
    return 1 if row.wrong else 0


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
