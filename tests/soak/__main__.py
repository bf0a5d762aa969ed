"""`python -m tests.soak --minutes 30`: run it, judge it, write down what happened. The status is 1 when it was bad."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.about import about
from benchmarks.procfs import cpuSeconds
from tests.soak.faults import STEADY, STRUCK, Faults, shortened
from tests.soak.house import Cell
from tests.soak.quiet import Quiet
from tests.soak.record import Record, look
from tests.soak.telling import tell
from tests.soak.verdict import summary, verdict
from tests.soak.visits import VISITS, Visitor

SAMPLES = 240
"""How many there are in a run, at most; one each second in short ones."""


class Governor:
    """Slows visitors down so that all processes together stay below a share of a core."""

    def __init__(self, share: float) -> None:
        self.slower = 1.0
        self._share = share
        self._cpu = cpuSeconds([os.getpid()])
        self._at = time.monotonic()

    def look(self) -> None:
        """Adjust it to what was used since the last time."""
        cpu, now = cpuSeconds([os.getpid()]), time.monotonic()
        used = (cpu - self._cpu) / max(now - self._at, 0.01)
        self._cpu, self._at = cpu, now
        self.slower = min(20.0, max(1.0, self.slower * min(1.5, max(0.8, used / self._share))))


class Soak:
    """One run."""

    def __init__(self, minutes: float, seed: int, share: float, folder: Path) -> None:
        self.seconds = minutes * 60
        self.scale = min(1.0, self.seconds / 120)
        self.share = share
        facts = about(1, 0)
        self.record = Record(seed, minutes, {key: facts[key] for key in ("date", "commit", "machine", "python")})
        self.random = random.Random(seed)
        self.cells = [Cell(name, folder) for name in ("steady", "struck")]
        self.governor = Governor(share)

    def run(self) -> None:
        """First everybody once, in peace; then visitors and faults; at the end, peace again."""
        cpu, began = cpuSeconds([os.getpid()]), time.monotonic()
        try:
            for cell in self.cells:
                self.everything(cell)
                self.record.before[cell.name] = self.quiet(cell)
            self.storm()
            for cell in self.cells:
                self.everything(cell)
                before = None if cell.name == "struck" else self.record.before[cell.name]  # its processes are new ones
                self.record.after[cell.name] = self.quiet(cell, before)
        finally:
            self.record.seconds = round(time.monotonic() - began, 1)
            self.record.cpu = round((cpuSeconds([os.getpid()]) - cpu) / self.record.seconds, 3)
            for cell in self.cells:
                cell.over.set()
                cell.close()
                self.record.troubles += cell.troubles

    def storm(self) -> None:
        """Visitors and faults in threads of their own; this one measures."""
        threads = []
        for cell in self.cells:
            faults = STRUCK if cell.name == "struck" else STEADY
            faults = faults if self.seconds > 300 else shortened(faults)
            striking = Faults(cell, self.record, faults, self.random.getrandbits(32), self.scale)
            threads.append(threading.Thread(target=striking.run, name=f"faults of {cell.name}"))
            for kind in VISITS:
                visitor = Visitor(cell, self.record, self.random.getrandbits(32), 60 * self.scale)
                threads.append(threading.Thread(target=self.visit, args=(visitor, kind), name=f"{kind} {cell.name}"))
        for thread in threads:
            thread.start()
        end = time.monotonic() + self.seconds
        step = max(1.0, self.seconds / SAMPLES)
        while time.monotonic() < end:
            time.sleep(min(step, max(0.0, end - time.monotonic())))
            self.record.sample(self.cells)
            self.governor.look()
        for cell in self.cells:
            cell.over.set()
        for thread in threads:
            thread.join(180)
            if thread.is_alive():
                self.record.troubles.append(f"{thread.name} has not ended")
        for cell in self.cells:
            cell.over.clear()

    def visit(self, visitor: Visitor, kind: str) -> None:
        """Come again and again."""
        while visitor.cell.pause(visitor.random.uniform(0.1, 1.0) * self.governor.slower):
            visitor.visit(kind)

    def everything(self, cell: Cell) -> None:
        """One visit of each kind, all of which must end well: nothing is wrong now."""
        visitor = Visitor(cell, self.record, self.random.getrandbits(32), 1)
        for kind in VISITS:
            end = time.monotonic() + 60
            while not visitor.visit(kind):
                if time.monotonic() > end:
                    cell.trouble(f"{kind}: no visit ends well")
                    break
                time.sleep(0.2)

    def quiet(self, cell: Cell, before: dict[str, Any] | None = None) -> dict[str, Any]:
        """The cell when nothing is left of its visitors, as it was `before`, or after 60 s."""
        waiting = Quiet(time.monotonic(), before)
        while not waiting.over(seen := look(cell), time.monotonic()):
            time.sleep(0.1)
        return seen


def main(words: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of all that chance decides")
    parser.add_argument("--cpu", type=float, default=0.35, help="share of a core that all of it may use (0.35)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="put picture and summary into these documents")
    parser.add_argument("--read", type=Path, metavar="FILE", help="no run: take the figures of an earlier one")
    options = parser.parse_args(words)
    if sys.platform != "linux":
        print("the soak reads Linux' /proc", file=sys.stderr)
        return 2
    record = Record.read(options.read) if options.read else run(options.minutes, options.seed, options.cpu)
    if options.json:
        record.save(options.json)
    if options.write:
        tell(record, options.write)
    return judge(record)


def run(minutes: float, seed: int, cpu: float) -> Record:
    """One run; its folder is removed."""
    print(f"soak: {minutes:g} minutes, seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="dt-"))
    try:
        soak = Soak(minutes, seed, cpu, folder)
        soak.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return soak.record


def judge(record: Record) -> int:
    """Print what came of it; the exit status."""
    figures = summary(record)
    print(f"{figures['finished']} visits finished ({record.bytes / 1e6:.0f} MB), {figures['broken']} broken, "
          f"{figures['left']} left, {len(record.corrupted)} corrupted; {len(record.strikes)} faults; "
          f"{record.cpu:.2f} cores")  # fmt: skip
    for kind, reasons in sorted(record.broken.items()):
        print(f"  {kind}: {record.finished[kind]} finished, broken: {dict(reasons)}")
    for fault, (number, middle, longest) in figures["back"].items():
        print(f"  {fault}: {number} times, served again after {middle:.2f} s ({longest:.2f} s at most)")
    wrong = verdict(record)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
