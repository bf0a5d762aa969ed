"""Responsive: whether timers run and pings come back in time while bulk saturates the link."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager
from typing import Iterator, Mapping

from benchmarks.contenders.base import Contender, Running
from benchmarks.contenders.ours import Ours
from benchmarks.lab import Lab
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import load

_STREAMS = 8


class Responsive(Row):
    """Looked at from within an agent (`benchmarks/probe.py`), so of ours only."""

    key = "responsive"
    opaque = True
    fresh = True

    def applies(self, contender: Contender) -> bool:
        return contender.key == "ours"

    def metrics(self, settings: Settings) -> list[Metric]:
        return [
            Metric(f"{self.key}.{way}.{what}.{part}", f"{title}, bulk {way}: {part}", "ms", more=False)
            for way in ("down", "up")
            for what, title in (("late", "lateness of a timer"), ("ping", "a ping and its answer"))
            for part in ("p50", "p99", "worst")
        ]

    def measure(self, running: Running) -> Mapping[str, float]:
        site = running.site
        settings = site.lab.settings
        agent = site.roles["agent"][0]
        found = {}
        for number, way in enumerate(("down", "up"), 1):
            agent.popen.send_signal(signal.SIGUSR1)
            load(site, running.doors[self.door], way, streams=_STREAMS, seconds=settings.seconds, warm=settings.warm)
            agent.popen.send_signal(signal.SIGUSR2)
            told = site.awaitLine(agent, r"(?:PROBE (.*)\n[^$]*){%d}" % number)[1]
            for what, parts in json.loads(told).items():
                found.update({f"{self.key}.{way}.{what}.{part}": value for part, value in parts.items()})
        return found

    @contextmanager
    def opened(self, lab: Lab, contender: Contender) -> Iterator[Running]:
        """Ours, with an agent that looks at itself."""
        site = lab.site(self.key)
        try:
            yield Ours(agent=(sys.executable, "-m", "benchmarks.probe")).start(site)
        finally:
            site.stop()
