"""Count, do much, count again: what is more than it was is a leak, and the exit status is 1."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from twisted.logger import LogLevel, globalLogPublisher

from diglett.plane import sockets
from tests.leak.counting import Snapshot, verdict
from tests.leak.house import House

reactor: Any = _reactor
REST = 1.2
"""Seconds, beyond those that closed connections linger, until the last of them is forgotten."""


class Complaints:
    """What was logged that should not have been."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        """An observer."""
        if event["log_level"] >= LogLevel.critical:
            self.found.append(str(event.get("log_format")))


def words() -> argparse.Namespace:
    """What is to be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.leak", description=__doc__)
    parser.add_argument("--connects", type=int, default=10_000, help="agents that come and go (10000)")
    parser.add_argument("--streams", type=int, default=100_000, help="visitors (100000)")
    parser.add_argument("--at-once", type=int, default=10, help="how many of them at a time (10)")
    parser.add_argument("--linger", type=float, default=sockets.LINGER, help="seconds that closed connections linger")
    parser.add_argument("--json", metavar="FILE", help="where to write the figures")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    complaints = Complaints()
    sockets.LINGER = options.linger
    rest = options.linger + REST
    globalLogPublisher.addObserver(complaints)
    wrong: list[str] = []
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        house = House(reactor, Path(folder) / "state")
        await house.start()
        for what, do, count in (
            ("agents", house.connect, options.connects),
            ("visitors", house.stream, options.streams),
        ):
            warm = max(60, min(count // 5, 2_000))
            await house.many(do, warm, options.at_once)
            await house.rest(rest)
            before = Snapshot.take(reactor)
            began, busy = time.monotonic(), time.process_time()
            await house.many(do, count, options.at_once)
            seconds, busy = time.monotonic() - began, time.process_time() - busy
            await house.rest(rest)
            after = Snapshot.take(reactor)
            found = verdict(before, after, count)
            wrong += [f"{what}: {each}" for each in found]
            rows.append({
                "what": what, "count": count, "seconds": round(seconds, 1), "cpu": round(busy, 1),
                "before": before.row(), "after": after.row(), "wrong": found,
            })  # fmt: skip
            print(json.dumps(rows[-1], indent=1), flush=True)
        await house.stop()
    wrong += complaints.found + house.failures[:10]
    if options.json:
        about = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        Path(options.json).write_text(json.dumps({"about": about, "rows": rows, "wrong": wrong}, indent=1))
    print("\n".join(wrong) or "nothing is left")
    return 1 if wrong else 0


def main(reactor: Any) -> Any:
    """For `react`."""
    logging.captureWarnings(True)

    async def ended() -> None:
        status = await run(words())
        if status:
            raise SystemExit(status)

    return ensureDeferred(ended())


if __name__ == "__main__":
    if not sys.platform.startswith("linux"):
        sys.exit("only Linux tells what is needed for this")
    react(main)
