"""`python -m tests.fuzz`: each target for its share of all executions. The status is 1 when something was found."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from attrs import frozen

from benchmarks.about import about
from tests.fuzz.names import TARGETS, load
from tests.fuzz.reached import linesReached
from tests.summaries import writeSummary

SHARES = {
    "hosts": 200, "messages": 230, "proxy": 180, "v1handshakes": 90, "chunked": 90, "codec": 60, "clienthello": 50,
    "response": 50, "request": 40, "agenthandshake": 25, "gatewayhandshake": 20, "mux": 18, "v1mux": 15, "tunnel": 6,
}  # fmt: skip
"""Of all executions, so that each target has about the same time; the cheap ones run more often in it."""
RATIO = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
DONE = re.compile(r"Done (\d+) runs in (\d+) second")


@frozen
class Outcome:
    """What came of one target."""

    name: str
    runs: int
    seconds: float
    edges: int
    corpus: int
    reached: int
    lines: int
    found: list[Path]
    log: Path

    @property
    def failed(self) -> bool:
        """Whether it is worth a look: something was found, or it ended as it should not."""
        return bool(self.found) or not self.runs


def fuzz(name: str, folder: Path, runs: int, seconds: int) -> Outcome:
    """Run one target in a process of its own."""
    place = folder / name
    (place / "found").mkdir(parents=True, exist_ok=True)
    known = set((place / "found").iterdir())
    log = place / "log"
    began = perf_counter()
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(place), str(runs), str(seconds)]
    with log.open("wb") as sink:
        subprocess.run(command, stdout=sink, stderr=subprocess.STDOUT, check=False)
    took = perf_counter() - began
    said = log.read_text("utf-8", "replace")
    done = DONE.search(said)
    ratio = RATIO.findall(said)
    found = sorted(set((place / "found").iterdir()) - known)
    target = load(name)
    corpus = [each.read_bytes() for each in sorted((place / "corpus").iterdir())]
    reached, lines = (0, 0) if found else linesReached(target.MODULES, target.check, corpus)
    edges = int(ratio[-1][0]) if ratio else 0
    return Outcome(name, int(done[1]) if done else 0, took, edges, len(corpus), reached, lines, found, log)


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes for people."""
    facts = about(1, 0)
    rows = [
        f"| {each.name} | {said(each.name)} | {each.runs:,} | {each.seconds:,.0f} | {each.edges:,} | {each.corpus:,} "
        f"| {each.reached} of {each.lines} | {len(each.found) or 'none'} |"
        for each in outcomes
    ]
    runs, seconds = sum(each.runs for each in outcomes), sum(each.seconds for each in outcomes)
    return "\n".join(
        [
            f"{facts['date']}, commit {facts['commit']}, atheris {version('atheris')}, Python {facts['python']}; "
            f"{facts['machine']}. The seconds are those of the clock, on a machine with other work.",
            "",
            "| target | what it reads | executions | seconds | edges | corpus | lines reached | findings |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            f"| all | | {runs:,} | {seconds:,.0f} | | | | {sum(len(each.found) for each in outcomes) or 'none'} |",
        ]
    )


def said(name: str) -> str:
    """The first sentence about a target."""
    text: str = load(name).__doc__
    return text.split(".")[0].split(":")[0].strip()


def main(words: Sequence[str] | None = None) -> int:
    """Run them; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--millions", type=float, default=10.5, help="executions in all, if all targets run (10.5)")
    parser.add_argument("--seconds", type=int, default=0, help="at most, for each target (no limit)")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="targets at a time")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="where corpora stay (.fuzz)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this document")
    options = parser.parse_args(words)
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    if find_spec("atheris") is None:
        print("atheris is not installed: pip install -e '.[test,fuzz]' (Linux, Python 3.11 to 3.14)", file=sys.stderr)
        return 2
    names = sorted(options.targets or TARGETS, key=lambda name: SHARES[name])
    each = options.millions * 1_000_000 / sum(SHARES.values())
    outcomes = []
    with ThreadPoolExecutor(options.jobs) as pool:
        running = [pool.submit(fuzz, name, options.folder, int(each * SHARES[name]), options.seconds) for name in names]
        for future in running:
            outcome = future.result()
            outcomes.append(outcome)
            print(f"{outcome.name}: {outcome.runs:,} executions in {outcome.seconds:.0f} s, {outcome.edges} edges, "
                  f"{outcome.reached} of {outcome.lines} lines, {len(outcome.found)} findings", flush=True)  # fmt: skip
            if outcome.failed:
                print(outcome.log.read_text("utf-8", "replace")[-3000:], flush=True)
    outcomes.sort(key=lambda outcome: outcome.name)
    if options.write is not None:
        writeSummary(options.write, "fuzz", table(outcomes))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
