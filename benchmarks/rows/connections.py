"""New connections: connect, one byte (or one HTTP request) there and back, close."""

from __future__ import annotations

from typing import Mapping

from attrs import define

from benchmarks.contenders.base import Running
from benchmarks.errors import Trouble
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import load


@define(eq=False)
class Connections(Row):
    """So many at a time. Few show what each one waits for, many what can be done at most.

    (ssh -R leaves Nagle's algorithm on, so that few at a time wait 40 ms each.)
    """

    count: int

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"connect-{self.count}"

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"new connections, {self.count} at a time"
        return [Metric(self.key, name, "/s"), Metric(f"{self.key}.p99", f"{name}: p99", "ms", more=False)]

    def measure(self, running: Running) -> Mapping[str, float]:
        settings = running.site.lab.settings
        door = running.doors[self.door]
        result = load(running.site, door, "connect", connections=self.count, seconds=settings.seconds)
        if result["errors"] > result["rate"] / 100:
            raise Trouble(f"{result['errors']} connections failed")
        if not result["rate"]:
            raise Trouble("no connection was answered")
        return {self.key: result["rate"], f"{self.key}.p99": result["p99"] / 1000}
