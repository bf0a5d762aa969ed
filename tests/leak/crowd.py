"""Many agents in one process: COUNT FIRST PORT BACKEND STATE. It says when all are up, each time that they are."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor

from diglett.agent.backend import DialledBackend
from diglett.agent.service import AgentService, Tunnel
from diglett.errors import DiglettError
from diglett.plane.channel import Target
from diglett.plane.choose import makePlane
from diglett.plane.limits import raiseDescriptorLimit
from diglett.trust.client import GatewayTrust
from diglett.wire.messages import Register

reactor: Any = _reactor


class Crowd:
    """Counts those that are up; it is every agent's reporter."""

    def __init__(self, count: int) -> None:
        self.missing = count
        self.attempts = 0
        self._count = count

    def up(self, lines: Any, again: bool) -> None:
        """One more."""
        self.missing -= 1
        if not self.missing:
            print(f"all {self._count} are up at {time.time():.3f} after {self.attempts} failures", flush=True)
            self.attempts = 0

    def retrying(self, error: DiglettError, delay: float) -> None:
        """One did not succeed."""
        self.attempts += 1

    def lost(self, error: DiglettError) -> None:
        """One less."""
        self.missing += 1

    def moving(self) -> None:
        """One less: it is about to dial again."""
        self.missing += 1


def main(count: int, first: int, port: int, backend: int, state: Path) -> None:
    """Start them, and run."""
    raiseDescriptorLimit()
    plane = makePlane(reactor)
    trust = GatewayTrust("localhost", localCa=state / "ca.pem")
    token = (state / "token").read_text().strip()
    crowd = Crowd(count)
    for number in range(first, first + count):
        tunnel = Tunnel(
            Register(f"name-{number}"), DialledBackend(plane, Target("127.0.0.1", backend)), str(backend)
        )
        agent = AgentService(plane, Target("127.0.0.1", port), trust, lambda: token, [tunnel], crowd)
        reactor.callLater((number - first) * 0.005, agent.startService)
    reactor.run()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]), Path(sys.argv[5]))
