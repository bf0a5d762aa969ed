"""The processes of one cell: gateway, agent, backend and visitors, and when they said what."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from benchmarks.place import Host
from benchmarks.procfs import memoryKiB
from tests.chaos.world import World
from tests.integration.components import freePort
from tests.integration.harness import TROUBLE, Program
from tests.sources import PACKAGE

SERVER = ("-c", "import sys; from diglett.server import main; sys.exit(main())")
NAME = "example.localhost"
NOTICED = '"event": "(lost|moving)"'
"""What an agent says when it knows that its link is over, or will be."""
WITHDRAWN = rf"withdrawn {re.escape(NAME)}"
"""What a gateway says when it knows that an agent has gone."""


class Noted(Program):
    """A program, and when it has said each line (CLOCK_MONOTONIC)."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._lines: list[tuple[float, str]] = []
        self._partial = {"out": "", "err": ""}
        super().__init__(*arguments, **more)

    def heard(self, name: str, text: str) -> None:
        """Note it."""
        now = time.monotonic()
        *lines, self._partial[name] = (self._partial[name] + text).split("\n")
        self._lines += [(now, line) for line in lines]

    def said(self, pattern: str, since: float = 0.0) -> float | None:
        """When it first said this, from that moment on."""
        return next((when for when, line in list(self._lines) if when >= since and re.search(pattern, line)), None)

    def good(self) -> list[tuple[float, float]]:
        """Of visitors: when each good one of the new ones was served, and when it had begun."""
        words = [line.split() for _, line in list(self._lines) if line.startswith("good ")]
        return [(float(ended), float(began)) for _, began, ended in words]


@frozen
class Patience:
    """How long a link may be silent: seconds until a ping, until it is dead, and between looks at it."""

    keepalive: int = 10
    timeout: int = 30

    @property
    def most(self) -> float:
        """Seconds after which silence must have been noticed, on a busy machine too."""
        return self.timeout + self.keepalive / 4 + 2.5

    @property
    def gateway(self) -> Sequence[str]:
        """How to start a gateway that has it."""
        if self == Patience():
            return SERVER
        return ("-m", "tests.chaos.programs.hasty", str(self.keepalive), str(self.timeout))


@define(eq=False)
class Starter:
    """Starts programs in a folder and ends them for certain; keeps what they said."""

    folder: Path
    ending: ExitStack
    programs: list[Noted] = field(factory=list)

    def __call__(self, words: Sequence[str | Path], **more: Any) -> Noted:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        environment: Mapping[str, str] = {
            "PATH": path,
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(PACKAGE.parent),
            "DIGLETT_STATE": str(self.folder / "state"),
        }
        program = Noted([*map(str, words)], self.folder, environment, **more)
        self.programs.append(program)
        self.ending.callback(program.kill)
        return program


@define(eq=False)
class House:
    """A tunnel that is up, with a backend behind it. Its parts can be ended and started again."""

    start: Starter
    world: World
    relayed: bool
    patience: Patience = Patience()
    gateway: Noted = field(init=False)
    agent: Noted = field(init=False)
    backend: Noted = field(init=False)
    port: int = field(init=False)
    """Of the public front."""
    _listening: tuple[str, ...] = field(init=False)
    _address: str = field(init=False)
    _pin: str = field(init=False)
    _backendPort: int = field(init=False)
    _ours: list[Noted] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        agents, self.port, self._backendPort = freePort(), freePort(), freePort()
        host = self.world.gateway
        self._listening = (
            "--listen", f"tcp:{agents}:interface={host.address}",
            "--https", f"tcp:{self.port}:interface=127.0.0.1",
            "--http", "none",
        )  # fmt: skip
        self.startBackend()
        self.startGateway()
        self._pin = self.gateway.waitFor(r"fingerprint (sha256:\S+)$")[1]
        self._address = self.world.way(agents, self.relayed)
        self.startAgent()

    def startGateway(self) -> float:
        """Start it, and wait until it listens; the moment when it does."""
        words = [*self.patience.gateway, *self._listening]
        self.gateway = self._python(self.world.gateway, *words)
        self._ours.append(self.gateway)
        self.gateway.waitFor(r"^    diglett -g .*$")
        return self.gateway.said("^    diglett -g ") or 0.0

    def startAgent(self) -> float:
        """Start it, and wait until it is up; the moment when it was started."""
        started = time.monotonic()
        token = str(self.start.folder / "state" / "token")
        self.agent = self._python(
            self.world.agent, "-m", "diglett", "-g", self._address, "--pin", self._pin, "-n", "example",
            "--token-file", token, "--log-format", "json", f"127.0.0.1:{self._backendPort}",
        )  # fmt: skip
        self._ours.append(self.agent)
        self.agent.waitFor('"event": "up"')
        return started

    def startBackend(self) -> float:
        """Start it, and wait until it accepts; the moment when it does."""
        port = str(self._backendPort)
        self.backend = self._python(self.world.agent, "-m", "tests.chaos.programs.backend", port, commands=True)
        self.backend.waitFor("^accepting$")
        return self.backend.said("^accepting$") or 0.0

    def startVisitors(self, load: str, size: int, notes: Path) -> Noted:
        """Start visitors with this load, and wait until all have been served."""
        state = self.start.folder / "state"
        task = {"load": load, "port": self.port, "host": NAME, "ca": str(state / "ca.pem"), "size": size}
        words = json.dumps({**task, "notes": str(notes)})
        visitors = self._python(self.world.gateway, "-m", "tests.chaos.programs.visitors", words, commands=True)
        visitors.waitFor("^ready$")
        return visitors

    def memory(self) -> tuple[float, float]:
        """MiB that gateway and agent take: anonymous memory."""
        return memoryKiB([self.gateway.pid]) / 1024, memoryKiB([self.agent.pid]) / 1024

    def close(self) -> list[str]:
        """Ask agent and gateway to stop; what was wrong with how they ended, or with what they had said."""
        wrong = []
        for name, program in (("agent", self.agent), ("gateway", self.gateway)):
            try:
                status = program.stop()
            except AssertionError:
                wrong.append(f"the {name} did not stop")
                continue
            if status:
                wrong.append(f"the {name} ended with status {status}")
        for program in self._ours:
            if TROUBLE.search(program.out + program.err):
                wrong.append(f"it had trouble:\n{program}")
        return wrong

    def _python(self, host: Host, *words: str, **more: Any) -> Noted:
        return self.start(host.command([sys.executable, *words]), **more)
