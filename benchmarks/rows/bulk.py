"""Bulk: as many bytes as go through, and the CPU that they cost."""

from __future__ import annotations

from typing import Mapping

from attrs import define

from benchmarks.contenders.base import ROLES, Running
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import load


@define(eq=False)
class Bulk(Row):
    """direction: down is backend to visitor."""

    direction: str
    streams: int

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"bulk-{self.direction}-{self.streams}"

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"bulk {self.direction}, {self.streams} stream{'s' * (self.streams > 1)}"
        found = [Metric(self.key, name, "MB/s")]
        found += [Metric(f"{self.key}.{role}", f"{name}: CPU of {role}", "s/GB", more=False) for role in ROLES]
        if self.streams > 1:
            found.append(Metric(f"{self.key}.unfair", f"{name}: fastest / slowest", "x", more=False, absolute=True))
        return found

    def measure(self, running: Running) -> Mapping[str, float]:
        settings = running.site.lab.settings
        before = running.cpu()
        result = load(
            running.site,
            running.doors[self.door],
            self.direction,
            streams=self.streams,
            seconds=settings.seconds,
            warm=settings.warm,
        )
        after = running.cpu()
        found = {self.key: result["rate"] / 1e6}
        if running.contender.tunnel:
            for role in ROLES:
                found[f"{self.key}.{role}"] = (after[role] - before[role]) / result["bytes"] * 1e9
        if self.streams > 1:
            found[f"{self.key}.unfair"] = result["most"] / max(result["least"], 1)
        return found
