"""Where the conformance suite gets its channels from: a plane, and two of its channels that are connected."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from tempfile import mkdtemp
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater

from diglett.plane.channel import Target
from diglett.testing import MemoryPlane, clientTrust, serverContexts

PATIENCE = 5.0
"""Seconds after which something will not happen any more."""
KERNEL_BUFFER = 32_768
"""Bytes of each socket's buffers: little, so that it is soon full."""


class Rig:
    """A plane under test; `until` and `settle` make it run."""

    large = 1_048_576
    """Bytes of a large transfer."""
    resets = True
    """Whether the other side can tell `abort` from `close`."""
    addressed = True
    """Whether peers have an address and a port."""

    plane: Any

    async def pair(self) -> tuple[Any, Any]:
        """Two connected channels, paused, with no owner."""
        raise NotImplementedError

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Run until this is true; fails when it does not become true."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Run until nothing more happens by itself."""
        raise NotImplementedError

    def close(self) -> Any:
        """Leave nothing behind."""
        return self.plane.close(0)


class MemoryRig(Rig):
    """The plane in memory."""

    def __init__(self) -> None:
        self.plane = MemoryPlane()

    async def pair(self) -> tuple[Any, Any]:
        return self.plane.pair(KERNEL_BUFFER)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        self.plane.pump()
        if not condition():
            raise AssertionError(f"it came to rest without {what}")

    async def settle(self) -> None:
        self.plane.pump()


class SocketRig(Rig):
    """A plane on real sockets and the real reactor: `tcp` or `unix`."""

    def __init__(self, plane: Any, reactor: Any, kind: str = "tcp") -> None:
        self.plane = plane
        self.resets = self.addressed = kind == "tcp"
        self._reactor = reactor
        self._kind = kind
        self.listeners: list[Any] = []

    async def pair(self) -> tuple[Any, Any]:
        accepted: list[Any] = []
        if self._kind == "tcp":
            listener = await self.plane.listen("tcp:0:interface=127.0.0.1", accepted.append)
            target = Target("127.0.0.1", listener.address()[1])
        else:
            path = os.path.join(mkdtemp(dir="."), "s")
            listener = await self.plane.listen(f"unix:{path}", accepted.append)
            target = Target(path=path)
        self.listeners.append(listener)
        here = await self.plane.connect(target, PATIENCE)
        await self.until(lambda: accepted, "a connection")
        for channel in (here, accepted[0]):
            channel.option(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
            channel.option(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
        return here, accepted[0]

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        end = self._reactor.seconds() + PATIENCE
        while not condition():
            if self._reactor.seconds() > end:
                raise AssertionError(f"no {what} in {PATIENCE} s")
            await deferLater(self._reactor, 0, lambda: None)

    async def settle(self) -> None:
        for _ in range(6):
            await deferLater(self._reactor, 0.0005, lambda: None)

    async def close(self) -> None:
        for listener in self.listeners:
            await maybeDeferred(listener.close)
        await self.plane.close(0)


class TLSRig(Rig):
    """TLS on top of what another rig has."""

    def __init__(self, below: Rig) -> None:
        self.below = below
        self.plane = below.plane
        self.large = below.large
        self.addressed = below.addressed

    async def pair(self) -> tuple[Any, Any]:
        here, there = await self.below.pair()
        client = self.plane.tls(here, clientTrust().connection())
        server = self.plane.tls(there, serverContexts().connection())
        answers: list[Exception | None] = []
        client.handshake(answers.append)
        server.handshake(answers.append)
        await self.until(lambda: len(answers) == 2, "two ends of the handshake")
        if answers != [None, None]:
            raise AssertionError(f"the handshake failed: {answers}")
        return client, server

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        await self.below.until(condition, what)

    async def settle(self) -> None:
        await self.below.settle()

    def close(self) -> Any:
        return self.below.close()
