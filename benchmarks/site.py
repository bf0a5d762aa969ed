"""Where one contender is put up: its folder, its processes, and waiting until they work."""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Mapping, Sequence, TypeVar

from attrs import define, field

from benchmarks.errors import Trouble
from benchmarks.place import Host, Place
from benchmarks.processes import Process

if TYPE_CHECKING:
    from benchmarks.lab import Lab

_PATIENCE = 20.0  # seconds for anything to start: a cold 100 MB binary takes five
_PAUSE = 0.002
_T = TypeVar("_T")


@define(eq=False)
class Site:
    """A contender's ground. Roles are gateway and agent; CPU and memory are told apart by them."""

    lab: Lab
    place: Place
    folder: Path
    backends: dict[str, int]
    roles: dict[str, list[Process]] = field(factory=lambda: {"gateway": [], "agent": []})

    def host(self, role: str) -> Host:
        """The machine of a role."""
        return self.place.gateway if role == "gateway" else self.place.agent

    def start(
        self, role: str, name: str, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a process of this role on its machine, in this folder."""
        process = self.lab.processes.start(
            name,
            self.host(role).command(command),
            self.folder / f"{name}.log",
            env=cleanEnvironment(env or {}),
            cwd=self.folder,
        )
        self.roles.setdefault(role, []).append(process)
        return process

    def stop(self) -> None:
        """End all that was started here."""
        self.lab.processes.stop([process for all_ in self.roles.values() for process in all_])
        for all_ in self.roles.values():
            all_.clear()

    def startBackend(self) -> int:
        """Start the load's own backend on the agent's machine; its port."""
        host = self.place.agent
        port = host.freePort()
        # On a machine made for the run there is nobody to hide from, and the line to be served.
        bind = "0.0.0.0" if host.namespace else "127.0.0.1"
        backend = self.start("backend", "backend", [str(self.lab.tools.backend), f"{bind}:{port}"])
        self.awaitPort(backend, port, host)
        return port

    def awaitPort(self, process: Process, port: int, host: Host, address: str = "127.0.0.1") -> None:
        """Wait until somebody accepts there, as long as process lives."""
        self.await_(process, f"accept on port {port}", lambda: _connects(host, address, port))

    def awaitLine(self, process: Process, pattern: str) -> re.Match[str]:
        """Wait until process has said what the pattern matches."""
        return self.await_(process, f"say {pattern!r}", lambda: re.search(pattern, process.output()))

    def awaitEcho(self, process: Process, port: int, address: str = "127.0.0.1") -> None:
        """Wait until a visitor of that port really reaches the backend, bytes unharmed both ways."""
        self.await_(process, "forward", lambda: _echoes(self.place.gateway, address, port))

    def awaitAnswer(self, process: Process, port: int, name: str, secure: bool = False) -> None:
        """Wait until GET / for that virtual host is answered 200, over TLS when secure."""
        context = None
        if secure:
            context = ssl.create_default_context(cafile=str(self.lab.certificates.authority))
        self.await_(process, "answer HTTP", lambda: _answers(self.place.gateway, port, name, context))

    def await_(self, process: Process, what: str, ready: Callable[[], _T | None]) -> _T:
        """Poll ready until it is true. Trouble, with the process's last words, when it never is."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = ready()
            if found:
                return found
            if process.ended:
                raise Trouble(f"{process.name} ended ({process.popen.returncode}):\n{process.tail()}")
            if time.monotonic() > deadline:
                raise Trouble(f"{process.name} did not {what} in {_PATIENCE:.0f} s:\n{process.tail()}")
            time.sleep(_PAUSE)


def cleanEnvironment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without DIGLETT_* settings of the user, and with more."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DIGLETT_")}
    return {**kept, **more}


def _limit(host: Host) -> float:
    """Seconds an answer may take before the probe is made again: far away it takes round trips."""
    return 0.3 if host.namespace is None else 3.0


def _connects(host: Host, address: str, port: int) -> bool:
    with host.socket() as probe:
        probe.settimeout(_limit(host))
        return probe.connect_ex((address, port)) == 0


def _echoes(host: Host, address: str, port: int) -> bool:
    with host.socket() as probe:
        probe.settimeout(_limit(host))
        try:
            probe.connect((address, port))
            probe.sendall(b"E")
            for size in (1, 16384, 65536):
                sent = os.urandom(size)
                probe.sendall(sent)
                if _receive(probe, size) != sent:
                    return False
        except OSError:
            return False
        return True


def _receive(probe: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = probe.recv(size - len(got))
        if not data:
            break
        got += data
    return got


def _answers(host: Host, port: int, name: str, context: ssl.SSLContext | None) -> bool:
    with host.socket() as probe:
        probe.settimeout(_limit(host))
        try:
            probe.connect(("127.0.0.1", port))
            if context is not None:
                probe = context.wrap_socket(probe, server_hostname=name)
            probe.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in probe.recv(1000).split(b"\r\n")[0]
        except OSError:
            return False
        finally:
            probe.close()
