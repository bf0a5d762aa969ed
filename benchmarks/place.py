"""Where the two ends of a tunnel live: both here, or each in a network namespace of its own."""

from __future__ import annotations

import ctypes
import os
import random
import socket
from contextlib import contextmanager
from typing import Iterator, Sequence

from attrs import frozen

from benchmarks.errors import Trouble
from benchmarks.tools import find

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
# Below the ports that Linux gives to outgoing connections, of which a run makes many.
_PORTS = range(11000, 32000)


@contextmanager
def inside(namespace: str | None) -> Iterator[None]:
    """Sockets and devices opened in this block belong to the namespace. Blocks must not overlap."""
    if namespace is None:
        yield
        return
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if _libc.setns(there, _CLONE_NEWNET):
            raise Trouble(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        _libc.setns(home, _CLONE_NEWNET)
        os.close(home)
        os.close(there)


@frozen
class Host:
    """One machine: the address at which the other reaches it, and its namespace, if it is not this."""

    address: str = "127.0.0.1"
    namespace: str | None = None

    def command(self, command: Sequence[str]) -> list[str]:
        """What to start here to run command there."""
        if self.namespace is None:
            return list(command)
        return [find("ip"), "netns", "exec", self.namespace, *command]

    def socket(self) -> socket.socket:
        """A TCP socket that lives there."""
        with inside(self.namespace):
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def freePort(self) -> int:
        """A port nobody listens on there."""
        for _ in range(200):
            port = random.choice(_PORTS)
            with self.socket() as probe:
                try:
                    probe.bind(("0.0.0.0", port))
                except OSError:
                    continue
                return port
        raise Trouble("no free port")


@frozen
class Place:
    """The gateway's machine, where visitors are too, and the agent's, where backends are too."""

    gateway: Host = Host()
    agent: Host = Host()


HERE = Place()
