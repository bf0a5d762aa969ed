"""A cell's processes: started, ended in all ways, started again at the same ports."""

from __future__ import annotations

import json
import signal
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.components import freePort
from tests.integration.harness import TROUBLE, Program
from tests.integration.services import PROGRAMS
from tests.integration.tunnel import SERVER, Gateway
from tests.soak.relay import Relay
from tests.sources import PACKAGE

KINDS = {"site": ("http", "site.py", "waitress"), "chat": ("http", "chat.py"), "bulk": ("tcp", "bulk.py")}
"""Each name with its type, and what serves it."""

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Part:
    """One process that can be ended and started again; only one fault has it at a time."""

    def __init__(self, cell: Cell, name: str, words: list[str], ours: bool, state: Path) -> None:
        self.cell = cell
        self.name = name
        self.ours = ours
        self._words = [sys.executable, *words]
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(cell.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(PACKAGE.parent),
            "DIGLETT_STATE": str(state),
        }
        self.program = self.start()

    def start(self) -> Program:
        """Start it."""
        self.program = Program(self._words, self.cell.folder, self._environment)
        return self.program

    def kill(self) -> None:
        """End it as a crash would."""
        self.program.kill()
        self._look()

    def stop(self) -> None:
        """Ask it to end; ours must do so with status 0."""
        self.program.send(signal.SIGTERM)
        try:
            status = self.program.ended(60)
            if status and self.ours:
                self.cell.trouble(f"{self.name} ended with {status}:\n{self.program}")
        except AssertionError as error:
            self.cell.trouble(str(error))
        finally:
            self.kill()

    def freeze(self) -> None:
        """Let it do nothing."""
        self.program.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.program.send(signal.SIGCONT)

    def _look(self) -> None:
        found = TROUBLE.search(self.program.out + self.program.err)
        if self.ours and found:
            self.cell.trouble(f"{self.name} said {found[0]!r}:\n{self.program}")


class Cell:
    """A gateway, its agents behind a relay, and their backends. `over` is set when the soak ends."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.over = threading.Event()
        self.troubles: list[str] = []
        state = self.folder / "state"
        ports = [freePort() for _ in range(4)]
        listen = [f"tcp:{port}:interface=127.0.0.1" for port in ports]
        options = ["--listen", listen[0], "--https", listen[1], "--http", listen[2], "--admin", listen[3]]
        self._admin = f"http://127.0.0.1:{ports[3]}/"
        self.gateway = Part(self, "gateway", ["-c", SERVER, *options], True, state)
        self.house = Gateway(self.gateway.program, state, "localhost")
        self.relay = Relay(self.house.agents)
        self.agents: dict[str, Part] = {}
        self.backends: dict[str, Part] = {}
        for kind, (type_, program, *more) in KINDS.items():
            port = freePort()
            self.backends[kind] = Part(self, kind, [str(PROGRAMS / program), *more, str(port)], False, state)
            self.backends[kind].program.waitFor("^port ")
            tunnel = ["-g", f"localhost:{self.relay.port}", "--type", type_, "-n", kind, str(port)]
            self.agents[kind] = Part(self, f"agent {kind}", ["-m", "diglett", *tunnel], True, state)
        for agent in self.agents.values():
            agent.program.waitFor(" -> ")

    def ours(self) -> Iterator[Part]:
        """What is measured."""
        yield self.gateway
        yield from self.agents.values()

    def startGateway(self) -> None:
        """Start it again, and wait until it serves."""
        self.gateway.start()
        self.house = Gateway(self.gateway.program, self.house.state, "localhost")

    def status(self, limit: float = 2.0) -> dict[str, Any]:
        """What the admin endpoint tells. Raises OSError when it does not answer."""
        with _direct.open(f"{self._admin}api/status", timeout=limit) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def streams(self) -> int:
        """How many are running now."""
        return sum(agent["streams"] for agent in self.status()["agents"])

    def bulkPort(self) -> int:
        """Where the raw name is served now. Raises ConnectionRefusedError when it is not."""
        for name in self.status()["names"]:
            if name["name"] == "bulk":
                return int(name["urls"][0].rpartition(":")[2])
        raise ConnectionRefusedError("bulk is not published")

    def pause(self, seconds: float) -> bool:
        """Wait; whether there is still time to do something."""
        return not self.over.wait(seconds)

    def trouble(self, text: str) -> None:
        """Note what must not be, and show it."""
        self.troubles.append(text)
        print(f"TROUBLE in {self.name}: {text[-4000:]}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End everything: agents, gateway, the rest."""
        for part in (*self.agents.values(), self.gateway):
            part.stop()
        for part in self.backends.values():
            part.kill()
        self.relay.close()
