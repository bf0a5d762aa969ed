"""HTTP on 64 kept-alive connections, plain and over TLS, and new TLS visitors."""

from __future__ import annotations

from typing import Mapping

from attrs import define

from benchmarks.contenders.base import Contender, Running
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import wrk

_CONNECTIONS = 64


@define(eq=False)
class KeepAlive(Row):
    """A 100-byte answer, over and over."""

    key: str
    door: str
    title: str

    def applies(self, contender: Contender) -> bool:
        return self.door in contender.doors

    def metrics(self, settings: Settings) -> list[Metric]:
        return [
            Metric(self.key, self.title, "req/s"),
            Metric(f"{self.key}.p99", f"{self.title}: p99", "ms", more=False),
        ]

    def measure(self, running: Running) -> Mapping[str, float]:
        site = running.site
        result = wrk(site, running.doors[self.door], _CONNECTIONS, site.lab.settings.seconds)
        return {self.key: result["rate"], f"{self.key}.p99": result["p99"] / 1000}


@define(eq=False)
class Visitors(Row):
    """A TLS connection for each request: full handshakes, or resumed where the front allows it.

    A full handshake costs the client half a millisecond of CPU, more than the fastest fronts need;
    the front's own CPU per visitor tells those apart.
    """

    key: str
    resume: bool
    title: str
    door = "secure"

    def metrics(self, settings: Settings) -> list[Metric]:
        return [
            Metric(self.key, self.title, "/s"),
            Metric(f"{self.key}.gateway", f"{self.title}: CPU of gateway", "ms", more=False),
        ]

    def measure(self, running: Running) -> Mapping[str, float]:
        site = running.site
        before = running.cpu()["gateway"]
        door = running.doors[self.door]
        result = wrk(site, door, 16, site.lab.settings.seconds, close=True, resume=self.resume)
        found = {self.key: result["rate"]}
        if running.contender.tunnel:
            spent = running.cpu()["gateway"] - before
            found[f"{self.key}.gateway"] = spent / result["requests"] * 1000
        return found
