"""Accepting in the poller."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.logger import formatEvent, globalLogPublisher

from diglett.plane.listener import PAUSE, PER_TURN, Acceptor
from diglett.plane.sockets import SocketChannel
from tests.plane.test_sockets import PollerTestCase


class StubbornSocket:
    """A listening socket that cannot accept for a while."""

    def __init__(self, listening: socket.socket, errors: list[int]) -> None:
        self.errors = errors
        self._listening = listening

    def accept(self) -> Any:
        if self.errors:
            raise OSError(self.errors.pop(0), "no")
        return self._listening.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)


class AcceptorTests(PollerTestCase):
    """Accepting."""

    def acceptor(self, errors: list[int] | None = None) -> Acceptor:
        listening = socket.create_server(("127.0.0.1", 0))
        self.stubborn = StubbornSocket(listening, errors or [])
        self.accepted: list[SocketChannel] = []
        self.said: list[str] = []

        def hear(event: Any) -> None:
            if event.get("log_namespace") == "diglett.plane.listener":
                self.said.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        acceptor = Acceptor(self.poller, self.stubborn, self.accepted.append)  # type: ignore[arg-type]
        self.address = acceptor.address()
        return acceptor

    def connect(self) -> socket.socket:
        peer = socket.create_connection(self.address)
        self.addCleanup(peer.close)
        return peer

    def test_exhausted(self) -> None:
        """Without descriptors it waits a little instead of trying all the time, then goes on."""
        self.acceptor([errno.EMFILE])
        self.connect()
        self.turn()
        self.assertEqual((self.accepted, self.stubborn.errors), ([], []))
        self.turn()
        self.assertEqual(self.accepted, [])
        self.reactor.advance(PAUSE)
        self.turn()
        self.assertEqual(len(self.accepted), 1)

    def test_exhaustedThenPaused(self) -> None:
        """Who pauses it meanwhile, or closes it, is obeyed."""
        acceptor = self.acceptor([errno.EMFILE])
        self.connect()
        self.turn()
        acceptor.pause()
        self.reactor.advance(PAUSE)
        self.turn()
        self.assertEqual(self.accepted, [])
        acceptor.close()
        self.reactor.advance(PAUSE)
        self.turn()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """A visitor that is gone before it was accepted is passed over."""
        self.acceptor([errno.ECONNABORTED, errno.EPROTO])
        self.connect()
        self.turn()
        self.assertEqual(len(self.accepted), 1)

    def test_bounded(self) -> None:
        """A crowd is accepted in portions, between which others get their turn."""
        self.acceptor()
        recorder = self.channel()
        for _ in range(PER_TURN + 10):
            self.connect()
        self.peer.send(b"x")
        seen: list[int] = []
        recorder.onRead = lambda: seen.append(len(self.accepted))
        self.turn()
        self.assertEqual(len(self.accepted), PER_TURN + 10)
        self.assertLessEqual(seen[0], PER_TURN)

    def test_lastOnes(self) -> None:
        """Who is connected already when it is closed is accepted: the kernel would reset them."""
        acceptor = self.acceptor()
        for _ in range(PER_TURN + 10):
            self.connect()
        acceptor.close()
        self.assertEqual(len(self.accepted), PER_TURN + 10)
        self.assertRaises(ConnectionRefusedError, self.connect)

    def test_resumed(self) -> None:
        """Paused, it leaves those who come to others, also when it is closed; resumed, it takes them."""
        acceptor = self.acceptor()
        acceptor.pause()
        self.connect()
        self.turn()
        self.assertEqual(self.accepted, [])
        acceptor.resume()
        self.turn()
        self.assertEqual(len(self.accepted), 1)
        acceptor.pause()
        self.connect()
        acceptor.close()
        self.assertEqual(len(self.accepted), 1)

    def test_exhaustedForLong(self) -> None:
        """Descriptors that are missing for a minute are complained of once, not twice a second."""
        self.acceptor([errno.EMFILE] * 100)
        self.connect()
        for _ in range(100):
            self.turn()
            self.reactor.advance(PAUSE)
        self.assertEqual([line for line in self.said if "cannot accept" in line], self.said)
        self.assertEqual(len(self.said), 1)

    def test_closed(self) -> None:
        """Closing twice is fine, and nobody is accepted any more."""
        acceptor = self.acceptor()
        acceptor.close()
        acceptor.close()
        self.assertRaises(ConnectionRefusedError, self.connect)
