"""Sockets in the poller: what only the fast driver can get wrong."""

from __future__ import annotations

import gc
import socket
import struct
import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane.poller import Poller
from diglett.plane.sockets import LINGER, STUCK, SocketChannel
from diglett.plane.tls import TLSChannel
from diglett.testing import clientTrust
from tests.plane.recorder import Recorder


class ClockReactor(Clock):
    """A reactor that only knows the time; whoever tests turns the poller by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


def loopback(buffer: int = 32_768) -> tuple[socket.socket, socket.socket]:
    """Two TCP sockets that are connected, with little room in the kernel."""
    listening = socket.create_server(("127.0.0.1", 0))
    here = socket.create_connection(listening.getsockname())
    there, _ = listening.accept()
    listening.close()
    for each in (here, there):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    return here, there


class PollerTestCase(SynchronousTestCase):
    """A poller that is turned by hand, in a time that stands still."""

    def setUp(self) -> None:
        self.reactor = ClockReactor()
        self.poller = self.makePoller()
        self.addCleanup(self.poller.close)

    def makePoller(self) -> Poller:
        return Poller(self.reactor, spin=0.0)

    def channel(self, pair: Callable[[], tuple[socket.socket, socket.socket]] = loopback, **settings: Any) -> Recorder:
        """A channel that reads; its other side is the plain socket `self.peer`."""
        here, self.peer = pair()
        self.peer.settimeout(5)
        self.addCleanup(self.peer.close)
        recorder = Recorder(SocketChannel(self.poller, here, ("peer", 1)), **settings)
        recorder.channel.resumeReading()
        return recorder

    def turn(self, turns: int = 5) -> None:
        for _ in range(turns):
            self.poller.doRead()
            self.reactor.advance(0)


class SocketChannelTests(PollerTestCase):
    """One socket and what its peer may do to it."""

    def test_resetBehindPause(self) -> None:
        """What a peer sent before it reset the connection is still read by whoever was paused."""
        recorder = self.channel()
        recorder.channel.pauseReading()
        self.peer.sendall(b"last words")
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        self.turn()
        self.assertEqual(recorder.events, [])
        recorder.channel.resumeReading()
        self.turn()
        self.assertEqual((bytes(recorder.received), recorder.events), (b"last words", ["broken"]))

    def test_resetWhilePaused(self) -> None:
        """A reset with nothing left to read is told at once, although nobody reads."""
        recorder = self.channel()
        recorder.channel.pauseReading()
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        self.turn()
        self.assertEqual(recorder.events, ["broken"])

    def test_hangUpIsQuiet(self) -> None:
        """A peer that closed a Unix socket costs nothing while its end of the stream waits to be read."""
        recorder = self.channel(socket.socketpair)
        recorder.channel.pauseReading()
        self.peer.sendall(b"answer")
        self.peer.close()
        self.turn()
        self.assertEqual(self.poller._epoll.poll(0), [])
        recorder.channel.resumeReading()
        self.turn()
        self.assertEqual((bytes(recorder.received), recorder.events), (b"answer", ["end"]))
        self.assertEqual(self.poller._epoll.poll(0), [])

    def test_answerToClosedPeer(self) -> None:
        """Writing to a peer that has closed a Unix socket breaks the channel."""
        recorder = self.channel(socket.socketpair)
        self.peer.close()
        self.turn()
        self.assertEqual(recorder.events, ["end"])
        recorder.write(b"too late")
        self.turn()
        self.assertEqual(recorder.events, ["end", "broken"])

    def fill(self, recorder: Recorder) -> None:
        while not recorder.channel.queued:
            recorder.write(b"x" * 65_536)

    def test_stuck(self) -> None:
        """A closed connection whose peer takes nothing is cut off; one whose peer takes a little is not."""
        recorder = self.channel()
        self.fill(recorder)
        recorder.close()
        self.reactor.advance(STUCK - 1)
        self.peer.recv(30_000)
        self.turn()
        self.peer.recv(30_000)
        self.turn()
        self.reactor.advance(2)
        self.assertNotEqual(recorder.channel.fd, -1)
        self.reactor.advance(STUCK)
        self.assertEqual(recorder.channel.fd, -1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_lingers(self) -> None:
        """A closed connection whose peer neither reads nor ends is let go after a while."""
        recorder = self.channel()
        recorder.close()
        self.turn()
        self.assertNotEqual(recorder.channel.fd, -1)
        self.reactor.advance(LINGER)
        self.assertEqual(recorder.channel.fd, -1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_lingersNot(self) -> None:
        """It is let go at once when its peer ends; and when that sends megabytes that nobody wants."""
        recorder = self.channel()
        recorder.close()
        self.peer.close()
        self.turn()
        self.assertEqual(recorder.channel.fd, -1)
        recorder = self.channel()
        recorder.close()
        self.peer.setblocking(False)
        sent = 0
        while recorder.channel.fd != -1 and sent < 64 * 1_048_576:
            try:
                sent += self.peer.send(b"x" * 65_536)
            except BlockingIOError:
                self.turn()
            except OSError:
                break
        self.turn()
        self.assertEqual(recorder.channel.fd, -1)
        self.assertLess(sent, 16 * 1_048_576)

    def test_closedWhileQueued(self) -> None:
        """The last bytes go out although the peer has ended its own side already."""
        recorder = self.channel()
        self.fill(recorder)
        recorder.close()
        self.peer.sendall(b"unwanted")
        self.peer.shutdown(socket.SHUT_WR)
        self.turn()
        got = 0
        while got < recorder.written:
            self.turn(1)
            got += len(self.peer.recv(65_536))
        self.turn()
        self.assertEqual((self.peer.recv(1), got), (b"", recorder.written))
        self.assertEqual(recorder.channel.fd, -1)

    def test_planeCloses(self) -> None:
        """Closing the poller closes every socket it watches, and tells nobody."""
        recorder = self.channel()
        self.poller.close()
        self.assertEqual(self.peer.recv(1), b"")
        self.assertEqual((recorder.events, self.reactor.readers), ([], []))


class GarbageTests(PollerTestCase):
    """Connections that are over are freed at once: collections are rare, and TLS has large buffers."""

    def setUp(self) -> None:
        super().setUp()
        gc.disable()
        self.addCleanup(gc.enable)

    def owner(self, secure: bool) -> Recorder:
        """Who works with a connection, as a visitor of a front does."""
        recorder = self.channel()
        if secure:
            recorder = Recorder(TLSChannel(recorder.channel, clientTrust().connection(), self.poller.again))
        return recorder

    def test_freed(self) -> None:
        """Nothing of it waits for a collection, whoever ended it, and with TLS or without."""

        def abort(owner: Recorder) -> None:
            owner.abort()

        def close(owner: Recorder) -> None:
            owner.close()
            self.peer.close()

        def leave(owner: Recorder) -> None:
            owner.channel.resumeReading()
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.peer.close()

        for secure in (False, True):
            for end in (abort, close, leave):
                owner = self.owner(secure)
                seen = weakref.ref(owner)
                end(owner)
                self.turn()
                self.reactor.advance(LINGER + 1)
                owner.errors.clear()  # their tracebacks know it, too
                del owner
                self.assertIsNone(seen(), f"{end.__name__}, TLS: {secure}")

    def test_encryption(self) -> None:
        """OpenSSL's buffers go with the connection, whoever still knows the channel."""
        owner = self.owner(True)
        channel: Any = owner.channel
        connection = weakref.ref(channel.connection)
        owner.abort()
        self.assertIsNone(connection())
        self.assertEqual(channel.write((b"a",), 1), 0)
        channel.finish()
        channel.close()
