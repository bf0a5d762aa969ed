"""Namespaces: what they can do, and that they go."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks.errors import Missing
from benchmarks.namespaces import ip
from tests.chaos.house import Starter
from tests.chaos.world import PREFIX, Namespaces, Weather


class NamespacesTests(SynchronousTestCase):
    """A gateway's network, a NAT and an agent's network."""

    def setUp(self) -> None:
        """Make them, where this machine and user can."""
        self.ending = ExitStack()
        self.addCleanup(self.ending.close)
        folder = Path(self.ending.enter_context(tempfile.TemporaryDirectory(prefix="dt-")))
        start = Starter(folder, self.ending)
        try:
            self.world = self.ending.enter_context(Namespaces.opened(start, folder))
        except Missing as missing:
            raise SkipTest(str(missing)) from None

    def ours(self) -> list[str]:
        """The namespaces of this process."""
        mark = f"{PREFIX}-{os.getpid()}-"
        return [line.split()[0] for line in ip("netns", "list").splitlines() if line.startswith(mark)]

    def connected(self) -> tuple[object, object, str]:
        """A connection from the agent's network to the gateway's: both ends, and where it seemed to come from."""
        listening = self.world.gateway.socket()
        listening.bind((self.world.gateway.address, 0))
        listening.listen()
        listening.settimeout(5)
        visitor = self.world.agent.socket()
        visitor.settimeout(5)
        visitor.connect(listening.getsockname())
        accepted, (address, _) = listening.accept()
        accepted.settimeout(0.5)
        for each in (listening, visitor, accepted):
            self.ending.callback(each.close)
        return visitor, accepted, address

    def test_translated(self) -> None:
        """The gateway sees the NAT's address; its own connections do not get through."""
        visitor, accepted, address = self.connected()
        visitor.sendall(b"hello")  # type: ignore[attr-defined]
        self.assertEqual((accepted.recv(5), address), (b"hello", self.world.nat.address))  # type: ignore[attr-defined]
        inwards = self.world.gateway.socket()
        self.ending.callback(inwards.close)
        inwards.settimeout(0.3)
        self.assertRaises(TimeoutError, inwards.connect, (self.world.nat.address, 1))

    def test_forgotten(self) -> None:
        """A NAT that has forgotten a connection drops what comes of it without a word, and lets new ones through."""
        visitor, accepted, _ = self.connected()
        self.world.forget()
        visitor.sendall(b"hello")  # type: ignore[attr-defined]
        self.assertRaises(TimeoutError, accepted.recv, 5)  # type: ignore[attr-defined]
        visitor, accepted, _ = self.connected()
        visitor.sendall(b"hello")  # type: ignore[attr-defined]
        self.assertEqual(accepted.recv(5), b"hello")  # type: ignore[attr-defined]

    def test_held(self) -> None:
        """A line that holds what it should carry goes on as it was."""
        visitor, accepted, _ = self.connected()
        self.world.become(Weather(delay=1))
        self.world.hold(True)
        visitor.sendall(b"hello")  # type: ignore[attr-defined]
        self.assertRaises(TimeoutError, accepted.recv, 5)  # type: ignore[attr-defined]
        self.world.hold(False)
        accepted.settimeout(5)  # type: ignore[attr-defined]
        self.assertEqual(accepted.recv(5), b"hello")  # type: ignore[attr-defined]

    def test_removed(self) -> None:
        """They are gone when it is over, and were there until then."""
        self.assertEqual(len(self.ours()), 3)
        self.assertRaises(ZeroDivisionError, self.failing)
        self.assertEqual(self.ours(), [])

    def failing(self) -> None:
        """End it with an error."""
        with self.ending:
            raise ZeroDivisionError
