"""A long way: the two ends 50 ms of round trip apart, with and without loss, on a fast line too.

At 100 Mbit/s a fixed window of 2 MiB, as OpenSSH has it, fills the line; at 800 Mbit/s it does not.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Mapping

from attrs import define

from benchmarks.contenders.base import Contender, Running
from benchmarks.lab import Lab
from benchmarks.line import Line
from benchmarks.place import Place
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import load

_STREAMS = (1, 8)


@define(eq=False)
class Far(Row):
    """rate in Mbit/s, loss in percent each way. direct is a plain connection over the same line.

    cubic: between machines as most are, instead of two like this one.
    """

    key: str
    rate: float
    loss: float
    cubic: bool = False
    fresh = True
    opaque = True

    def applies(self, contender: Contender) -> bool:
        return contender.far

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"50 ms, {self.rate:g} Mbit/s, {self.loss:g} % loss" + ", cubic" * self.cubic
        found = [Metric(f"{self.key}.trip", f"{name}: round trip, p50", "ms", more=False)]
        for count in _STREAMS:
            title = f"{name}: down, {count} stream{'s' * (count > 1)}"
            found.append(Metric(f"{self.key}.{count}", title, "MB/s"))
        return found

    def measure(self, running: Running) -> Mapping[str, float]:
        site, door = running.site, running.doors[self.door]
        settings = site.lab.settings
        found = {f"{self.key}.trip": load(site, door, "trip", seconds=1)["p50"] / 1000}
        size = {"seconds": settings.lineSeconds, "warm": settings.lineWarm}
        for count in _STREAMS:
            found[f"{self.key}.{count}"] = load(site, door, "down", streams=count, **size)["rate"] / 1e6
        return found

    @contextmanager
    def opened(self, lab: Lab, contender: Contender) -> Iterator[Running]:
        with self.place(lab) as place:
            site = lab.site(f"{self.key}-{contender.key}", place)
            try:
                site.backends = {"load": site.startBackend()}
                yield contender.start(site)
            finally:
                site.stop()

    @contextmanager
    def place(self, lab: Lab) -> Iterator[Place]:
        with Line(self.loss, rate=self.rate, cubic=self.cubic).opened(lab) as place:
            yield place
