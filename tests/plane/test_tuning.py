"""Options of a link's socket: what is asked for, and that nothing is broken by a system that refuses."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.plane import tuning
from diglett.plane.choose import makePlane
from diglett.plane.sockets import SocketChannel
from diglett.plane.tuning import checkCongestion, tuneLink
from diglett.testing import MemoryPlane
from tests.plane.test_sockets import PollerTestCase, loopback

NAME = getattr(socket, "TCP_CONGESTION", None)


def chosen(connection: socket.socket) -> str:
    """The congestion control of a socket."""
    assert NAME is not None
    return connection.getsockopt(socket.IPPROTO_TCP, NAME, 16).rstrip(b"\0").decode()


def refuses(name: str) -> str | None:
    """Why the kernel does not let this process have it, if so."""
    if NAME is None:
        return "a socket's congestion control cannot be chosen here"
    try:
        with socket.socket() as trial:
            trial.setsockopt(socket.IPPROTO_TCP, NAME, name.encode())
    except OSError as error:
        return f"{name}: {error.strerror}"
    return None


class Settled(SynchronousTestCase):
    """The developer's own `DIGLETT_CONGESTION` is out of the way."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(os, "environ", {key: value for key, value in os.environ.items() if key != "DIGLETT_CONGESTION"})


class AskedTests(Settled):
    """What is asked of a link's socket."""

    skip = None if NAME is not None else "a socket's congestion control cannot be chosen here"

    def asked(self, setting: str | None) -> Any:
        if setting is not None:
            os.environ["DIGLETT_CONGESTION"] = setting
        channel, _ = MemoryPlane().pair()
        tuneLink(channel, 30.0)
        return channel.options.get((socket.IPPROTO_TCP, NAME))

    def test_notByDefault(self) -> None:
        """Nothing, unless somebody has said so: an empty setting says nothing, and `system` says that."""
        for setting in (None, "", "system"):
            self.assertIsNone(self.asked(setting))

    def test_named(self) -> None:
        """What is named."""
        self.assertEqual(self.asked("bbr"), b"bbr")


class RealTests(Settled, PollerTestCase):
    """Real sockets, and this kernel's answer."""

    skip = None if NAME is not None else "a socket's congestion control cannot be chosen here"

    def link(self, pair: Any = loopback) -> SocketChannel:
        here, there = pair()
        self.addCleanup(there.close)
        return SocketChannel(self.poller, here, ("peer", 1))

    def test_changed(self) -> None:
        """A connection that stands already gets it, and still carries what is sent."""
        os.environ["DIGLETT_CONGESTION"] = "bbr"
        recorder = self.channel()
        tuneLink(recorder.channel, 30.0)
        self.assertEqual(chosen(recorder.channel._socket), "bbr")
        self.peer.sendall(b"one")
        recorder.write(b"two")
        self.turn()
        self.assertEqual((bytes(recorder.received), self.peer.recv(10)), (b"one", b"two"))

    if NAME is not None:
        test_changed.skip = refuses("bbr")  # type: ignore[attr-defined]

    def test_refused(self) -> None:
        """A kernel that has not got it, or does not allow it, changes nothing."""
        os.environ["DIGLETT_CONGESTION"] = "no-such-thing"
        channel = self.link()
        before = chosen(channel._socket)
        tuneLink(channel, 30.0)
        self.assertEqual(chosen(channel._socket), before)
        self.assertTrue(channel._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def test_unixSocket(self) -> None:
        """A link over a Unix socket has none."""
        os.environ["DIGLETT_CONGESTION"] = "bbr"
        tuneLink(self.link(socket.socketpair), 30.0)


class CheckTests(Settled):
    """A setting that cannot be had is told at the start."""

    def test_fine(self) -> None:
        """The system's, none, and what the kernel lets anybody have."""
        for setting in ("system", "", *(["reno"] if refuses("reno") is None else [])):
            os.environ["DIGLETT_CONGESTION"] = setting
            checkCongestion()

    def told(self, setting: str) -> str:
        os.environ["DIGLETT_CONGESTION"] = setting
        return str(self.assertRaises(UsageError, makePlane, Clock()))

    def test_unknown(self) -> None:
        """What the kernel has not got is told before there is a plane."""
        self.assertEqual(
            self.told("bbrr"),
            "DIGLETT_CONGESTION is 'bbrr', which this kernel does not have: it can be system, or what "
            "`sysctl net.ipv4.tcp_allowed_congestion_control` lists",
        )

    def test_notAllowed(self) -> None:
        """So is what only root may have."""

        class Guarded(socket.socket):
            def setsockopt(self, *_: Any) -> None:
                raise PermissionError(errno.EPERM, "Operation not permitted")

        self.patch(socket, "socket", Guarded)
        self.assertIn("is 'bbr', which this user may not have: it can be", self.told("bbr"))

    if NAME is None:
        test_unknown.skip = test_notAllowed.skip = refuses("reno")  # type: ignore[attr-defined]

    def test_otherSystems(self) -> None:
        """Where a socket has no such option, links are left alone, and only the system's can be named."""
        self.patch(tuning, "_TCP_CONGESTION", None)
        os.environ["DIGLETT_CONGESTION"] = "system"
        checkCongestion()
        os.environ["DIGLETT_CONGESTION"] = "bbr"
        channel, _ = MemoryPlane().pair()
        tuneLink(channel, 30.0)
        self.assertNotIn((socket.IPPROTO_TCP, NAME), channel.options)
        error = self.assertRaises(UsageError, checkCongestion)
        self.assertEqual(str(error), "DIGLETT_CONGESTION is 'bbr': on this system it can only be system")
