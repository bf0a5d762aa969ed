"""What a contender is: something that can be put up at a site, and then has doors to knock on."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import ClassVar, Mapping

from attrs import define

from benchmarks.procfs import cpuSeconds, memoryKiB
from benchmarks.site import Site
from benchmarks.visitors import Door

ROLES = ("gateway", "agent")


@define(eq=False)
class Running:
    """A contender that forwards. Ready times are seconds from the start of that process."""

    contender: Contender
    site: Site
    doors: Mapping[str, Door]
    gatewayReady: float | None = None
    agentReady: float | None = None

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by role."""
        return {role: cpuSeconds(pids) for role, pids in self.pids().items()}

    def memory(self) -> dict[str, float]:
        """Memory in KiB (proportional set size) by role."""
        return {role: memoryKiB(pids) for role, pids in self.pids().items()}

    def alive(self) -> bool:
        """Whether every process that was started still runs."""
        return not any(process.ended for role in ROLES for process in self.site.roles[role])

    def stop(self) -> None:
        """End its processes."""
        self.site.stop()

    def pids(self) -> dict[str, list[int]]:
        """Its processes by role, without their children."""
        return {role: [process.pid for process in self.site.roles[role]] for role in ROLES}


class Contender(ABC):
    """One column of the comparison.

    doors: the backends it publishes: load (backend.c), web (nginx), secure (web over TLS).
    opaque: visitors speak bytes to it, not HTTP.  far: its ends can be on two machines.
    """

    key: str
    label: str
    doors: frozenset[str] = frozenset({"load", "web"})
    opaque: bool = True
    far: bool = False
    tunnel: ClassVar[bool] = True

    @abstractmethod
    def start(self, site: Site) -> Running:
        """Start both ends and wait until they forward. Trouble when they do not."""


class Watch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start
