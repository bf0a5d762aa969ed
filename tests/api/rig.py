"""Programs at a gateway in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from diglett.agent import parts
from diglett.testing import memoryCredentials
from tests.gateway.housekeeping import HouseTestCase
from tests.gateway.people import DiallingPlane


class Reactor:
    """The house's time, triggers, and another thread that is always quicker."""

    def __init__(self, house: Any) -> None:
        self.running = True
        self.house = house
        self.triggers: list[Callable[[], Any]] = []
        clock: Clock = house.clock
        self.seconds = clock.seconds
        self.callLater = clock.callLater

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[[], Any]) -> Any:
        assert (phase, event) == ("before", "shutdown")
        self.triggers.append(call)
        return call

    def removeSystemEventTrigger(self, call: Callable[[], Any]) -> None:
        self.triggers.remove(call)

    def callFromThread(self, call: Callable[..., Any], *words: Any) -> None:
        call(*words)
        self.house.plane.pump()

    def stop(self) -> list[Any]:
        """What the triggers gave."""
        triggers, self.triggers = self.triggers, []
        return [call() for call in triggers]


class AgentPlane(DiallingPlane):
    """An agent's plane, whose end is not the house's."""

    def close(self, limit: float = 0) -> Deferred[None]:
        return succeed(None)


class ProgramTestCase(HouseTestCase):
    """`options` are those of a program that knows the gateway."""

    def setUp(self) -> None:
        super().setUp()
        environ = {key: value for key, value in os.environ.items() if not key.startswith("DIGLETT_")}
        self.patch(os, "environ", {**environ, "DIGLETT_STATE": self.mktemp()})
        self.reactor = Reactor(self.house)
        self.planes: list[AgentPlane] = []
        self.patch(parts, "makePlane", self.newPlane)
        self.options: Any = {"gateway": "localhost:20000", "token": "alice", "pin": memoryCredentials().pin}

    def newPlane(self, reactor: Any) -> AgentPlane:
        """For one agent."""
        self.planes.append(AgentPlane(self.house.plane))
        return self.planes[-1]
