"""Round trips: one small message there and back at a time, on one or many connections."""

from __future__ import annotations

from typing import Mapping

from attrs import define

from benchmarks.contenders.base import Running
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import load


@define(eq=False)
class Trip(Row):
    """size in bytes."""

    size: int
    connections: int
    opaque = True

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"trip-{self.size}-{self.connections}"

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"round trip, {self.size} B, {self.connections} connection{'s' * (self.connections > 1)}"
        found = [Metric(self.key, name, "/s")]
        for key, title in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            found.append(Metric(f"{self.key}.{key}", f"{name}: {title}", "µs", more=False))
        return found

    def measure(self, running: Running) -> Mapping[str, float]:
        lab = running.site.lab
        size = {"connections": self.connections, "size": self.size}
        times = {"seconds": lab.settings.seconds, "warm": lab.settings.warm}
        # With one connection only one process runs at a time, and where it runs matters more than what it does.
        with lab.apart(self.connections == 1, running.pids()) as more:
            result = load(running.site, running.doors[self.door], "trip", **size, **times, **more)
        found = {f"{self.key}.{key}": result[key] for key in ("p50", "p99", "p999")}
        return {self.key: result["rate"], **found}
