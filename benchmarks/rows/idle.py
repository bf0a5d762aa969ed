"""Idle streams: what each one costs while nothing happens."""

from __future__ import annotations

import time
from typing import Mapping

from attrs import define

from benchmarks.contenders.base import ROLES, Contender, Running
from benchmarks.errors import Trouble
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.visitors import held

_REST = 0.5  # seconds for what opening has stirred up to settle


@define(eq=False)
class Idle(Row):
    """count streams, each of which has echoed a byte."""

    count: int
    opaque = True
    fresh = True

    @property
    def key(self) -> str:  # type: ignore[override]
        return f"idle-{self.count}"

    def applies(self, contender: Contender) -> bool:
        return contender.tunnel and super().applies(contender)

    def metrics(self, settings: Settings) -> list[Metric]:
        name = f"{self.count:,} idle streams"
        found = [Metric(self.key, f"{name}: memory each, both sides", "KiB", more=False, absolute=True)]
        for role in ROLES:
            title = f"{name}: memory each, {role}"
            found.append(Metric(f"{self.key}.{role}", title, "KiB", more=False, absolute=True))
        found.append(Metric(f"{self.key}.cpu", f"{name}: CPU of both", "%", more=False, absolute=True))
        found.append(Metric(f"{self.key}.open", f"{name}: time to open", "s", more=False))
        return found

    def measure(self, running: Running) -> Mapping[str, float]:
        settings = running.site.lab.settings
        before = running.memory()
        door = running.doors[self.door]
        with held(running.site, door, "idle", connections=self.count) as (opened, release):
            time.sleep(_REST)
            after, spent = running.memory(), sum(running.cpu().values())
            time.sleep(settings.seconds)
            spent = sum(running.cpu().values()) - spent
            alive = release()["alive"]
            if alive != self.count:
                raise Trouble(f"only {alive} of {self.count} streams lived on")
        each = {role: (after[role] - before[role]) / self.count for role in ROLES}
        return {
            self.key: sum(each.values()),
            **{f"{self.key}.{role}": each[role] for role in ROLES},
            f"{self.key}.cpu": spent / settings.seconds * 100,
            f"{self.key}.open": opened["seconds"],
        }
