"""Has it become slower? One run against another: python -m benchmarks.compare [NEW.json].

Figures are compared as ratios to direct and to ssh -R of their own run, so that two machines, or
one machine on two days, can be compared. Memory and the like are compared as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Sequence

from attrs import frozen

from benchmarks.__main__ import main as benchmark
from benchmarks.errors import Trouble
from benchmarks.results import Results
from benchmarks.rows.base import Metric
from benchmarks.table import number

BASELINE = Path(__file__).with_name("baseline.json")
_REFERENCES = ("direct", "ssh")
_TOLERANCE = 0.25  # rounds of one program differ by 15 to 30 % on a shared machine


@frozen
class Change:
    """One figure then and now. changes: now / then for each reference (or "" for absolute)."""

    contender: str
    metric: Metric
    then: float
    now: float
    changes: dict[str, float]

    def worse(self, tolerance: float) -> bool:
        """Whether every reference agrees that it is worse by more than the tolerance."""
        return self._all(self.metric.more, tolerance)

    def better(self, tolerance: float) -> bool:
        """The same the other way."""
        return self._all(not self.metric.more, tolerance)

    def _all(self, down: bool, tolerance: float) -> bool:
        if down:
            return all(change < 1 - tolerance for change in self.changes.values())
        return all(change > 1 / (1 - tolerance) for change in self.changes.values())


def compare(then: Results, now: Results, contenders: Sequence[str]) -> list[Change]:
    """Every figure of these contenders that both runs have and that can be related."""
    found = []
    for contender in contenders:
        if contender in _REFERENCES:
            continue
        for metric in now.metrics.values():
            old, new = then.summary(contender, metric.key), now.summary(contender, metric.key)
            if old is None or new is None:
                continue
            changes = _changes(then, now, contender, metric)
            if changes:
                found.append(Change(contender, metric, old.median, new.median, changes))
    return found


def _changes(then: Results, now: Results, contender: str, metric: Metric) -> dict[str, float]:
    if metric.absolute:
        old, new = then.summary(contender, metric.key), now.summary(contender, metric.key)
        return {"": new.median / old.median} if old and new and old.median > 0 else {}
    found = {}
    for reference in _REFERENCES:
        old_, new_ = then.ratio(contender, metric.key, reference), now.ratio(contender, metric.key, reference)
        if old_ and new_:
            found[reference] = new_ / old_
    return found


def lost(then: Results, now: Results, contenders: Sequence[str]) -> list[str]:
    """What the old run measured and the new one tried and failed to."""
    found = []
    for contender in contenders:
        for key in then.samples.get(contender, {}):
            if key in now.metrics and now.summary(contender, key) is None:
                found.append(f"{then.metrics[key].title}, {then.labels[contender]}")
    return found


def lines(changes: Sequence[Change], labels: dict[str, str], tolerance: float) -> Iterator[str]:
    """The table: what is worse first."""
    yield f"{'':8} {'then':>9} {'now':>9} {'x direct':>9} {'x ssh -R':>9}"
    for verdict in ("WORSE", "better", ""):
        for change in changes:
            worse, better = change.worse(tolerance), change.better(tolerance)
            if verdict == ("WORSE" if worse else "better" if better else ""):
                # An absolute figure has one change, whatever it is related to.
                cells = [
                    number(value) if value is not None else ""
                    for value in (change.changes.get(key, change.changes.get("")) for key in _REFERENCES)
                ]
                yield (
                    f"{verdict:8} {number(change.then):>9} {number(change.now):>9} {cells[0]:>9} {cells[1]:>9}"
                    f"  {labels[change.contender]}: {change.metric.title} [{change.metric.unit}]"
                )


def main(arguments: Sequence[str]) -> int:
    """0 when nothing is worse, 1 when something is, 2 when the files cannot be compared."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__.split("\n")[0],
        usage="python -m benchmarks.compare [NEW.json] [options]",
        epilog="NEW.json is what `python -m benchmarks --json` wrote. Without it this measures first; "
        "options it does not know go to python -m benchmarks.",
        allow_abbrev=False,
    )
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="run to compare with (%(default)s)")
    parser.add_argument("--tolerance", type=float, default=_TOLERANCE, help="share that is noise (%(default)s)")
    parser.add_argument("--all", action="store_true", help="every contender, not only ours")
    first = arguments[0] if arguments and not arguments[0].startswith("-") else None
    options, more = parser.parse_known_args(arguments[1:] if first else arguments)
    if not 0 <= options.tolerance < 1:
        parser.error("the tolerance is a share between 0 and 1")
    if more and first is not None:
        parser.error(f"unknown: {' '.join(more)} (with NEW.json nothing is measured)")
    try:
        if not options.baseline.exists():
            raise Trouble(f"there is no {options.baseline}; make it with python -m benchmarks --json FILE")
        then = Results.read(options.baseline)
        now = Results.read(Path(first)) if first is not None else _measure(more)
        return _report(then, now, options.tolerance, options.all)
    except Trouble as trouble:
        print(f"benchmarks.compare: {trouble}", file=sys.stderr)
        return 2


def _measure(arguments: Sequence[str]) -> Results:
    with tempfile.TemporaryDirectory(prefix="diglett-bench-") as folder:
        path = Path(folder) / "new.json"
        if benchmark([*arguments, "--json", str(path)]) != 0:
            raise Trouble("the new run did not succeed")
        return Results.read(path)


def _report(then: Results, now: Results, tolerance: float, everyone: bool) -> int:
    chosen = [key for key in now.labels if key in then.labels and (everyone or key.startswith("ours"))]
    changes = compare(then, now, chosen)
    missing = lost(then, now, chosen)
    if not changes and not missing:
        raise Trouble("the two runs have nothing in common that can be compared")
    for name, results in (("then", then), ("now", now)):
        print(f"{name}: {results.about.get('date')}, commit {results.about.get('commit')}")
    print(*lines(changes, now.labels, tolerance), sep="\n")
    for text in missing:
        print(f"LOST     {text}")
    worse = sum(change.worse(tolerance) for change in changes)
    print(f"{len(changes)} figures, {worse} worse by more than {tolerance:.0%}, {len(missing)} lost")
    return 1 if worse or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
