"""What every driver promises beside its channels: listening, connecting, batches, and the end."""

from __future__ import annotations

import errno
import os
import select
import selectors
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from diglett.plane.channel import Target
from diglett.plane.fast import FastPlane
from diglett.plane.portable import PortablePlane
from diglett.plane.readiness import SelectorReadiness
from diglett.plane.tuning import IDLE
from tests.plane.recorder import Recorder
from tests.plane.rigs import KERNEL_BUFFER, SocketRig


class PlaneConformance:
    """Mixed into a TestCase that has `makePlane`."""

    def makePlane(self, reactor: Any) -> Any:
        raise NotImplementedError

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.plane = self.makePlane(reactor)
        self.rig = SocketRig(self.plane, reactor)
        self.addCleanup(self.rig.close)  # type: ignore[attr-defined]
        self.accepted: list[Any] = []

    async def listen(self, accepted: Callable[[Any], None] | None = None) -> Target:
        listener = await self.plane.listen("tcp:0:interface=127.0.0.1", accepted or self.accepted.append)
        self.rig.listeners.append(listener)
        self.listener = listener
        return Target("127.0.0.1", listener.address()[1])

    def client(self, target: Target) -> socket.socket:
        """A plain socket that is connected to this, and does not block."""
        client = socket.create_connection((target.host, target.port))
        self.addCleanup(client.close)  # type: ignore[attr-defined]
        client.setblocking(False)
        return client

    async def fails(self, connecting: Deferred[Any]) -> Exception:
        try:
            await connecting
        except Exception as error:
            return error
        raise AssertionError("it succeeded")

    # ---- listening -----------------------------------------------------------------------------------------------

    async def test_closedListener(self) -> None:
        """Who has stopped listening is not there any more."""
        target = await self.listen()
        await self.plane.connect(target, 5)
        await maybeDeferred(self.listener.close)
        error = await self.fails(self.plane.connect(target, 5))
        self.assertIsInstance(error, ConnectionRefusedError)

    async def test_pausedListener(self) -> None:
        """A paused listener accepts nothing more, and refuses nobody."""
        target = await self.listen()
        self.listener.pause()
        await self.plane.connect(target, 5)
        await self.rig.settle()
        self.assertEqual(self.accepted, [])

    async def test_listenOn(self) -> None:
        """A socket that is bound already is listened on, and owned."""
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listener = self.plane.listenOn(listening, self.accepted.append)
        self.rig.listeners.append(listener)
        self.assertEqual(listener.address(), ("127.0.0.1", port))
        channel = await self.plane.connect(Target("127.0.0.1", port), 5)
        await self.rig.until(lambda: self.accepted, "a connection")
        self.assertEqual(self.accepted[0].peer, channel.localAddress())
        await maybeDeferred(listener.close)
        self.assertIsInstance(
            await self.fails(self.plane.connect(Target("127.0.0.1", port), 5)), ConnectionRefusedError
        )


    async def test_acceptingRaises(self) -> None:
        """A bug in accepting ends that connection; the next one is accepted."""
        bugs = [ZeroDivisionError()]

        def accept(channel: Any) -> None:
            channel.resumeReading()
            if bugs:
                raise bugs.pop()
            self.accepted.append(channel)

        target = await self.listen(accept)
        first = self.client(target)
        await self.rig.until(lambda: not bugs, "the first")
        await self.rig.settle()
        self.assertRaises(ConnectionResetError, first.recv, 1)
        await self.plane.connect(target, 5)
        await self.rig.until(lambda: self.accepted, "the second")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_tuned(self) -> None:
        """Visitors' sockets send at once, and the kernel looks after those that are gone."""
        target = await self.listen()
        await self.plane.connect(target, 5)
        await self.rig.until(lambda: self.accepted, "a connection")
        (channel,) = self.accepted
        handle = channel.transport.getHandle() if hasattr(channel, "transport") else channel._socket
        self.assertTrue(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertTrue(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        if hasattr(socket, "TCP_KEEPIDLE"):
            self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), IDLE)

    async def test_manyAtOnce(self) -> None:
        """Two hundred connections at once are all accepted."""
        target = await self.listen()
        connecting = [self.plane.connect(target, 5) for _ in range(200)]
        for each in connecting:
            await each
        await self.rig.until(lambda: len(self.accepted) == 200, "200 connections")

    # ---- connecting ----------------------------------------------------------------------------------------------

    async def test_refused(self) -> None:
        """Nobody there: an OSError with the system's number and words."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            error = await self.fails(self.plane.connect(Target("127.0.0.1", unused.getsockname()[1]), 5))
        self.assertIsInstance(error, ConnectionRefusedError)
        assert isinstance(error, OSError)
        self.assertEqual((error.errno, error.strerror), (errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)))

    async def test_noSuchPath(self) -> None:
        """No such Unix socket: an OSError as well."""
        error = await self.fails(self.plane.connect(Target(path="/nonexistent/socket"), 5))
        self.assertIsInstance(error, OSError)
        self.assertEqual(error.errno, errno.ENOENT)  # type: ignore[attr-defined]

    def full(self) -> tuple[socket.socket, list[socket.socket]]:
        """A port that answers nobody any more: its queue is full."""
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        self.addCleanup(listening.close)  # type: ignore[attr-defined]
        waiting = []
        for _ in range(4):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
            self.addCleanup(each.close)  # type: ignore[attr-defined]
            waiting.append(each)
        return listening, waiting

    async def test_timeout(self) -> None:
        """No answer in time is a TimeoutError."""
        listening, _ = self.full()
        began = self.reactor.seconds()
        error = await self.fails(self.plane.connect(Target("127.0.0.1", listening.getsockname()[1]), 0.05))
        self.assertIsInstance(error, TimeoutError)
        self.assertLess(self.reactor.seconds() - began, 2)

    async def test_cancel(self) -> None:
        """An attempt that is cancelled ends at once and leaves nothing behind."""
        listening, _ = self.full()
        connecting = self.plane.connect(Target("127.0.0.1", listening.getsockname()[1]), 60)
        await self.rig.settle()
        connecting.cancel()
        self.assertIsInstance(await self.fails(connecting), CancelledError)

    async def test_localNames(self) -> None:
        """`localhost` and the names under it are this machine, without asking anybody."""
        target = await self.listen()
        for host in ("localhost", "anything.localhost"):
            await self.plane.connect(Target(host, target.port), 5)
        await self.rig.until(lambda: len(self.accepted) == 2, "two connections")

    # ---- turns ---------------------------------------------------------------------------------------------------

    async def test_batchEnd(self) -> None:
        """What is due at the end of a batch comes soon, once, in order, and not at once."""
        called: list[int] = []
        self.plane.atBatchEnd(lambda: called.append(1))
        self.plane.atBatchEnd(lambda: called.append(2))
        self.assertEqual(called, [])
        await self.rig.until(lambda: called, "the end of the batch")
        await self.rig.settle()
        self.assertEqual(called, [1, 2])

    async def test_batchEndRaises(self) -> None:
        """A bug in one of them keeps nothing from the others."""
        called: list[int] = []
        self.plane.atBatchEnd(lambda: print(1 // 0))
        self.plane.atBatchEnd(lambda: called.append(2))
        await self.rig.until(lambda: called, "the second")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_ownerRaises(self) -> None:
        """A bug in an owner breaks its own channel, and no other."""
        here, there = [Recorder(each) for each in await self.rig.pair()]
        fine, other = [Recorder(each) for each in await self.rig.pair()]
        for each in (here, there, fine, other):
            each.channel.resumeReading()
        there.onRead = lambda: print(1 // 0)
        here.write(b"boom")
        fine.write(b"quiet")
        await self.rig.until(lambda: there.events and here.events, "the end")
        await self.rig.until(lambda: other.received == b"quiet", "the other bytes")
        self.assertEqual((there.events, fine.events), (["broken"], []))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    # ---- the end -------------------------------------------------------------------------------------------------

    async def closing(self) -> tuple[Recorder, socket.socket]:
        """A closed channel with something queued, and its other side."""
        other = self.client(await self.listen())
        await self.rig.until(lambda: self.accepted, "a connection")
        here = Recorder(self.accepted[0])
        here.channel.option(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        while not here.channel.queued:
            here.write(b"x" * 131_072)
            await self.rig.settle()
        here.close()
        return here, other

    async def test_closeWaits(self) -> None:
        """A plane that is closed sends what closed channels had still to send."""
        here, other = await self.closing()
        closed = self.plane.close()
        self.assertFalse(closed.called)
        got = 0
        while got < here.written:
            try:
                data = other.recv(65_536)
            except BlockingIOError:
                await deferLater(self.reactor, 0.001, lambda: None)
                continue
            self.assertTrue(data)
            got += len(data)
        await closed
        self.assertEqual(got, here.written)

    async def test_closeWaitsNotForEver(self) -> None:
        """But not for a peer that takes nothing."""
        await self.closing()
        began = self.reactor.seconds()
        await self.plane.close(0.05)
        self.assertLess(self.reactor.seconds() - began, 2)

    async def test_closeLeavesNothing(self) -> None:
        """Open channels are closed, and their owners are not told."""
        other = self.client(await self.listen())
        await self.rig.until(lambda: self.accepted, "a connection")
        here = Recorder(self.accepted[0])
        here.channel.resumeReading()
        await self.plane.close()
        await self.rig.settle()
        self.assertEqual((other.recv(1), here.events), (b"", []))
        here.channel.resumeReading()
        here.write(b"late")
        here.channel.pauseReading()
        here.close()
        await self.rig.settle()
        self.assertEqual(here.events, [])


class FastPlaneTests(PlaneConformance, TestCase):
    """The fast driver."""

    skip = None if hasattr(select, "epoll") else "there is no epoll here"

    def makePlane(self, reactor: Any) -> Any:
        return FastPlane(reactor)


class SelectorPlaneTests(PlaneConformance, TestCase):
    """The fast driver on `selectors`, as it is on macOS."""

    skip = None if hasattr(select, "epoll") else "there is no epoll here"

    def makePlane(self, reactor: Any) -> Any:
        return FastPlane(reactor, SelectorReadiness(selectors.EpollSelector()))


class PortablePlaneTests(PlaneConformance, TestCase):
    """The portable driver."""

    def makePlane(self, reactor: Any) -> Any:
        return PortablePlane(reactor)
