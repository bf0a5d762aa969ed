"""Tests of `diglett.agent.folder`."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.folder import FolderBackend
from diglett.plane.channel import Target
from diglett.wire.frames import Reason
from diglett.wire.opening import Opening


class Port:
    """A port that makes its file, and takes its time to close."""

    def __init__(self, path: str) -> None:
        if path:
            Path(path).touch()
        self.stopped: list[Deferred[None]] = []

    def stopListening(self) -> Deferred[None]:
        self.stopped.append(Deferred())
        return self.stopped[-1]

    def getHost(self) -> Any:
        return Target(host="127.0.0.1", port=4711)


class PortReactor(Clock):
    """A reactor that notes who listens where, of a system without Unix sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[Port] = []
        self.triggers: list[Callable[[], Any]] = []
        self.error: Exception | None = None
        self.address: Any = None

    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> Port:
        self.address = port, interface
        return self.listen("")

    def listen(self, path: str) -> Port:
        if self.error is not None:
            raise self.error
        self.ports.append(Port(path))
        return self.ports[-1]

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[[], Any]) -> Any:
        assert (phase, event) == ("before", "shutdown")
        self.triggers.append(call)
        return call

    def removeSystemEventTrigger(self, call: Any) -> None:
        self.triggers.remove(call)


class Reactor(PortReactor):
    """A reactor of a system that has them."""

    def listenUNIX(self, path: str, factory: Any, backlog: int, mode: int) -> Port:
        self.address = path
        return self.listen(path)


class Plane:
    """A plane that notes where it is to connect."""

    def __init__(self, reactor: Any) -> None:
        self.clock = reactor
        self.targets: list[Target] = []

    def connect(self, target: Target, timeout: float) -> Deferred[Any]:
        self.targets.append(target)
        return Deferred(lambda _: None)


class Mux:
    """A mux that notes what was closed."""

    def __init__(self) -> None:
        self.closed: list[tuple[Any, Reason, str]] = []

    def close(self, stream: Any, reason: Reason, text: str) -> None:
        self.closed.append((stream, reason, text))


class FolderBackendTests(SynchronousTestCase):
    """The socket that a folder is served on."""

    def setUp(self) -> None:
        self.use(Reactor())

    def use(self, reactor: PortReactor) -> None:
        """Test on this reactor."""
        self.reactor = reactor
        self.plane = Plane(reactor)
        self.mux: Any = Mux()
        self.backend = FolderBackend(self.plane, self.mktemp())
        self.addCleanup(self.backend.stop)

    def visit(self) -> Any:
        """A visitor comes."""
        stream: Any = object()
        return self.backend.accept(self.mux, stream, Opening(1))

    def test_lazy(self) -> None:
        """Nothing is there before the first visitor; all visitors share one socket."""
        self.assertEqual(self.reactor.ports, [])
        self.visit()
        self.visit()
        self.assertEqual(len(self.reactor.ports), 1)
        self.assertEqual(self.plane.targets, [Target(path=self.reactor.address)] * 2)

    def test_private(self) -> None:
        """Nobody else can reach the socket."""
        self.visit()
        folder = os.stat(os.path.dirname(self.reactor.address))
        self.assertEqual(stat.S_IMODE(folder.st_mode), 0o700)
        self.assertEqual(folder.st_uid, os.geteuid())

    def test_longTemporaryFolder(self) -> None:
        """A socket's path is short even when the name of the temporary folder is not."""
        folder = Path(self.mktemp()).absolute() / ("x" * 90)
        folder.mkdir(parents=True)
        self.patch(tempfile, "tempdir", str(folder))
        self.visit()
        self.assertLess(len(self.reactor.address), 100)
        self.assertEqual(list(folder.iterdir()), [])

    def test_stop(self) -> None:
        """Stopping leaves nothing behind, fires when the port is closed, and may be done again."""
        self.visit()
        stopping = self.backend.stop()
        self.assertNoResult(stopping)
        self.reactor.ports[0].stopped[0].callback(None)
        self.successResultOf(stopping)
        self.assertFalse(os.path.exists(os.path.dirname(self.reactor.address)))
        self.assertEqual(self.reactor.triggers, [])
        self.successResultOf(self.backend.stop())

    def test_order(self) -> None:
        """The socket's file is there until the port is closed, which removes it."""
        self.visit()
        self.backend.stop()
        self.assertTrue(os.path.exists(self.reactor.address))

    def test_shutdown(self) -> None:
        """The reactor's end is the socket's; stopping after it does no harm."""
        self.visit()
        (trigger,) = self.reactor.triggers
        self.reactor.triggers.clear()
        trigger()
        self.reactor.ports[0].stopped[0].callback(None)
        self.assertFalse(os.path.exists(os.path.dirname(self.reactor.address)))
        self.backend.stop()

    def test_removed(self) -> None:
        """When somebody tidied the socket away, a new one is made, and the old one given up."""
        self.visit()
        first = self.reactor.address
        os.unlink(first)
        self.visit()
        self.assertEqual(self.plane.targets, [Target(path=first), Target(path=self.reactor.address)])
        self.assertNotEqual(first, self.reactor.address)
        self.assertEqual(len(self.reactor.ports[0].stopped), 1)
        self.assertEqual(len(self.reactor.triggers), 1)

    def test_failure(self) -> None:
        """Where no socket can be made the visitor is told, nothing stays, and the next one may be luckier."""
        for error in (OSError("no space"), CannotListenError("", "x", OSError("no"))):
            self.reactor.error = error
            self.visit()
            self.assertFalse(os.path.exists(os.path.dirname(self.reactor.address)))
        self.assertEqual([reason for _, reason, _ in self.mux.closed], [Reason.BACKEND_UNREACHABLE] * 2)
        self.reactor.error = None
        self.visit()
        self.assertEqual(len(self.plane.targets), 1)

    def test_withoutUnix(self) -> None:
        """Without Unix sockets it is a port of loopback."""
        reactor = PortReactor()
        self.use(reactor)
        self.visit()
        self.visit()
        self.assertEqual(reactor.address, (0, "127.0.0.1"))
        self.assertEqual(self.plane.targets, [Target(host="127.0.0.1", port=4711)] * 2)
        self.backend.stop()
        self.assertEqual(len(reactor.ports[0].stopped), 1)
