"""Stalled: some read nothing of what they asked for, and nobody else should notice."""

from __future__ import annotations

from typing import Mapping

from attrs import define

from benchmarks.contenders.base import ROLES, Running
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import held, load

_STALLED, _OTHERS = 8, 16


@define(eq=False)
class Stalled(Row):
    """side: reader (a visitor who does not read) or backend (one that does not)."""

    side: str
    opaque = True
    fresh = True

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"stalled-{self.side}"

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"{_STALLED} stalled {self.side}s"
        found = [
            Metric(f"{self.key}.p99", f"{name}: the others' p99", "µs", more=False),
            Metric(f"{self.key}.slower", f"{name}: p99 / p99 before", "x", more=False, absolute=True),
        ]
        for role in ROLES:
            title = f"{name}: growth of {role}, each"
            found.append(Metric(f"{self.key}.{role}", title, "KiB", more=False, absolute=True))
        return found

    def measure(self, running: Running) -> Mapping[str, float]:
        site, door = running.site, running.doors[self.door]
        settings = site.lab.settings
        trips = {"connections": _OTHERS, "seconds": settings.seconds, "warm": settings.warm}
        mode = "stall-reader" if self.side == "reader" else "stall-writer"
        calm = load(site, door, "trip", **trips)
        before = running.memory()
        with held(site, door, mode, streams=_STALLED):
            after = running.memory()
            troubled = load(site, door, "trip", **trips)
        found = {f"{self.key}.p99": troubled["p99"], f"{self.key}.slower": troubled["p99"] / calm["p99"]}
        if running.contender.tunnel:
            for role in ROLES:
                found[f"{self.key}.{role}"] = (after[role] - before[role]) / _STALLED
        return found
