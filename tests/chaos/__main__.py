"""Run the fault matrix: python -m tests.chaos. Cells run side by side, as most of their time is waiting."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from attrs import asdict

from benchmarks.errors import Missing, Trouble
from tests.chaos.faults import FAULTS, LOADS, SILENCE, Fault
from tests.chaos.house import Starter
from tests.chaos.row import Row, table
from tests.chaos.world import Namespaces

BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
CELL = 240.0
"""Seconds after which a cell is given up."""


class Matrix:
    """The cells of a run."""

    def __init__(self, namespaces: bool, jobs: int, logs: Path | None) -> None:
        self._namespaces = namespaces
        self._jobs = jobs
        self._logs = logs
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False
        self._lock = threading.Lock()

    def run(self, cells: Sequence[tuple[Fault, str]]) -> list[Row]:
        """Their rows, in the order of the cells."""
        longest = sorted(cells, key=lambda cell: SILENCE not in (cell[0].agent, cell[0].gateway))
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                rows = dict(zip(longest, pool.map(self._cell, longest), strict=True))
            finally:
                self._end()
        return [rows[cell] for cell in cells]

    def _cell(self, cell: tuple[Fault, str]) -> Row:
        fault, load = cell
        task = json.dumps({"fault": fault.name, "load": load, "namespaces": self._namespaces})
        began = time.monotonic()
        with self._lock:
            if self._over:
                return Row.failed(fault.name, load, "interrupted")
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.one", task],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            out, said = process.communicate(timeout=CELL)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, said = process.communicate()
        self._running.discard(process)
        try:
            row = Row(**json.loads(out))
        except ValueError:
            row = Row.failed(fault.name, load, (said.strip().splitlines() or ["nothing"])[-1])
        if row.wrong and self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            (self._logs / f"{fault.name}, {load}.log".replace("/", " per ")).write_text(said)
        print(f"{time.monotonic() - began:5.0f} s  {fault.name}, {load}: {'; '.join(row.wrong) or 'good'}", flush=True)
        return row

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for process in self._running:
                process.terminate()


def possible() -> str:
    """Why there can be no namespaces here; empty when there can."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
        try:
            with Namespaces.opened(Starter(Path(folder), ending), Path(folder)):
                return ""
        except (Missing, Trouble) as trouble:
            return str(trouble)


def write(document: Path, lines: Sequence[str]) -> None:
    """Put the lines between the marks of the document. Raises ValueError: it has none."""
    text = document.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no {BEGIN} and {END}")
    document.write_text("\n".join([head + BEGIN, "", *lines, "", END + tail]), encoding="utf-8")


def about(rows: Sequence[Row], place: str, seconds: float) -> str:
    """What was run where."""
    good = sum(not row.wrong for row in rows)
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{len(rows)} cells in {place}, {good} without a finding; {seconds / 60:.0f} minutes; {machine}; {day}."


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", default="", help="only those whose name has one of these in it, between commas")
    parser.add_argument("--loads", default="", help="only these")
    parser.add_argument("--jobs", type=int, default=5, help="cells at a time (%(default)s)")
    parser.add_argument("--loopback", action="store_true", help="a relay on loopback, although namespaces are possible")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks of this document")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep what programs wrote in cells with findings")
    return parser.parse_args()


def main() -> int:
    """Run, print and write. 0: everything was as it must be; 1: it was not; 130: interrupted."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    why = "it was asked for" if options.loopback else possible()
    if why:
        print(f"on loopback, with a relay, because: {why}")
    chosen = [word for word in options.faults.split(",") if word]
    cells = [
        (fault, load)
        for fault in FAULTS
        for load in LOADS
        if (not chosen or any(word in fault.name for word in chosen))
        and (not options.loads or load in options.loads.split(","))
        and not (why and fault.lossy)
    ]
    began = time.monotonic()
    try:
        rows = Matrix(not why, options.jobs, options.logs).run(cells)
    except KeyboardInterrupt:
        return 130
    place = "loopback with a relay" if why else "network namespaces with a NAT"
    lines = [about(rows, place, time.monotonic() - began), "", *table(rows)]
    print("\n".join(["", *lines]))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if options.write:
        write(options.write, lines)
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
