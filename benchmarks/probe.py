"""An agent that also looks at itself: how late its timers run, and how long its pings take. Started as `diglett` is.

SIGUSR1 begins to measure, SIGUSR2 ends it: `PROBE` and a JSON object are printed then, in milliseconds.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from twisted.internet import reactor as _reactor

from diglett import cli
from diglett.link.link import Link

EVERY = 0.01  # seconds between two looks at the clock
PING_EVERY = 5  # of these

reactor: Any = _reactor


class Probe:
    """Timers and pings of every link there is."""

    def __init__(self) -> None:
        self._links: list[Link] = []
        self._late: list[float] = []
        self._pings: list[float] = []
        self._count = 0
        self._due = 0.0
        self._timer: Any = None

    def install(self) -> None:
        """Learn of links, and of the answers to pings."""
        start, ponged = Link.start, Link.ponged

        def started(link: Link, rest: bytes = b"") -> None:
            self._links.append(link)
            start(link, rest)

        def answered(link: Link, payload: bytes) -> None:
            asked = link._asked
            before = reactor.seconds()
            if asked and payload == asked and self._timer is not None:
                self._pings.append(before - int.from_bytes(asked, "big") / 1e6)
                link._asked = b""
                return
            ponged(link, payload)

        patched: Any = Link
        patched.start, patched.ponged = started, answered
        for number, call in ((signal.SIGUSR1, self.begin), (signal.SIGUSR2, self.end)):
            signal.signal(number, lambda *_, call=call: reactor.callFromThread(call))

    def begin(self) -> None:
        """From now on."""
        self._late.clear()
        self._pings.clear()
        self._schedule()

    def _schedule(self) -> None:
        self._due = reactor.seconds() + EVERY
        self._timer = reactor.callLater(EVERY, self._tick)

    def _tick(self) -> None:
        now = reactor.seconds()
        self._late.append(now - self._due)
        self._count += 1
        if self._count % PING_EVERY == 0:
            for link in self._links:
                link._asked = int(now * 1e6).to_bytes(8, "big")
                link.mux.ping(link._asked)
        self._schedule()

    def end(self) -> None:
        """Say what was seen."""
        self._timer.cancel()
        self._timer = None
        found = {name: _summary(seen) for name, seen in (("late", self._late), ("ping", self._pings))}
        print("PROBE", json.dumps(found), file=sys.stderr, flush=True)


def _summary(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and the worst, in ms."""
    found = sorted(seconds) or [float("nan")]
    return {
        "p50": found[len(found) // 2] * 1000,
        "p99": found[len(found) * 99 // 100] * 1000,
        "worst": found[-1] * 1000,
    }


if __name__ == "__main__":
    Probe().install()
    sys.exit(cli.main())
