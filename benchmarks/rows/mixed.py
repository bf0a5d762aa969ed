"""Mixed: a few kept-alive HTTP connections while bulk saturates the same link."""

from __future__ import annotations

from typing import Mapping

from benchmarks.contenders.base import Running
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import begin, wrk

_BULK, _SMALL = 4, 4


class Mixed(Row):
    """Both through one name, so that both share whatever the tunnel shares."""

    key = "mixed"

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"mixed, {_BULK} bulk streams beside {_SMALL} HTTP connections"
        return [
            Metric("mixed.bulk", f"{name}: bulk", "MB/s"),
            Metric("mixed.http", f"{name}: HTTP", "req/s"),
            Metric("mixed.p50", f"{name}: HTTP p50", "ms", more=False),
            Metric("mixed.p99", f"{name}: HTTP p99", "ms", more=False),
        ]

    def measure(self, running: Running) -> Mapping[str, float]:
        site, door = running.site, running.doors[self.door]
        settings = site.lab.settings
        # Bulk begins before the requests and ends behind them.
        around = {"streams": _BULK, "seconds": settings.seconds + 0.5, "warm": settings.warm}
        bulk = begin(site, door, "down", **around)
        try:
            small = wrk(site, door, _SMALL, settings.seconds)
            return {
                "mixed.bulk": bulk.result()["rate"] / 1e6,
                "mixed.http": small["rate"],
                "mixed.p50": small["p50"] / 1000,
                "mixed.p99": small["p99"] / 1000,
            }
        finally:
            bulk.stop()
