"""TLS on top of a channel: handshakes that go wrong, bytes in unusual company, and limits."""

from __future__ import annotations

import random
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane import records as recordsModule
from diglett.plane import tls as tlsModule
from diglett.plane.records import INCOMING_SIZE, RECORD_MAX, SLICE, FunctionRecords, MethodRecords
from diglett.plane.tls import describe
from diglett.testing import MemoryPlane, clientTrust, serverContexts
from diglett.trust.client import GatewayTrust
from tests.plane.recorder import Recorder


class RawPeer:
    """The other side: plain pyOpenSSL on the bytes of a channel in memory, so that every step is in the test's hand."""

    def __init__(self, plane: MemoryPlane, channel: Any, connection: SSL.Connection) -> None:
        self.plane = plane
        self.recorder = Recorder(channel)
        self.recorder.channel.resumeReading()
        self.connection = connection
        self._fed = 0

    def take(self) -> bytes:
        """What TLS wants to send."""
        try:
            return self.connection.bio_read(1 << 22)
        except SSL.WantReadError:
            return b""

    def send(self) -> None:
        """Send it."""
        data = self.take()
        if data:
            self.recorder.write(data)
        self.plane.pump()

    def feed(self) -> None:
        """Give TLS what has come."""
        fresh = bytes(self.recorder.received[self._fed :])
        self._fed += len(fresh)
        if fresh:
            self.connection.bio_write(fresh)

    def read(self) -> bytes:
        """All that has come."""
        self.feed()
        found = bytearray()
        try:
            while True:
                found += self.connection.recv(1 << 16)
        except SSL.WantReadError:
            return bytes(found)

    def shake(self) -> bool:
        """One step of the handshake; whether it is done."""
        self.feed()
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            return False
        return True


class StuckChannel:
    """Queues whatever is written, until it is told how much has been taken."""

    def __init__(self, owner: Any) -> None:
        self.queued = 0
        self.owner = owner

    def write(self, parts: Any, size: int) -> int:
        self.queued += size
        return 0

    def take(self, size: int) -> None:
        """The other side takes so much."""
        size = min(size, self.queued)
        self.queued -= size
        self.owner.drained(size)


class TLSTestCase(SynchronousTestCase):
    """A server's TLSChannel over memory, and a raw client."""

    kind: type = FunctionRecords

    def setUp(self) -> None:
        self.begin(self.kind)

    def begin(self, kind: type) -> None:
        """A new connection, whose server calls OpenSSL in this way."""
        self.patch(tlsModule, "recordsOf", kind)
        self.plane = MemoryPlane(capacity=4 * 1_048_576)
        self.answers: list[Exception | None] = []
        self.below, there = self.plane.pair()
        self.tls = self.plane.tls(self.below, serverContexts().connection())
        self.client = RawPeer(self.plane, there, clientTrust().connection())

    def handshake(self, send: bool = True) -> None:
        """Shake hands; without `send` the client's last message is still to be sent."""
        self.tls.handshake(self.answers.append)
        while not self.client.shake():
            self.client.send()
        if send:
            self.client.send()
            self.assertEqual(self.answers, [None])

    def reader(self, room: int = 65_536) -> Recorder:
        recorder = Recorder(self.tls, room)
        self.tls.resumeReading()
        return recorder


class HandshakeTests(TLSTestCase):
    """How it begins."""

    def test_dataInTheSameFlight(self) -> None:
        """What comes in one piece with the end of the handshake is read without waiting for more."""
        self.handshake(send=False)
        self.client.connection.send(b"at once")
        self.client.send()
        self.assertEqual(self.answers, [None])
        recorder = self.reader()
        self.plane.pump()
        self.assertEqual(bytes(recorder.received), b"at once")

    def test_received(self) -> None:
        """Bytes that somebody has read already are part of the handshake."""
        self.client.shake()
        self.tls.handshake(self.answers.append, self.client.take())
        self.plane.pump()
        self.assertTrue(self.client.shake())
        self.client.send()
        self.assertEqual(self.answers, [None])

    def test_byteByByte(self) -> None:
        """The handshake may come in pieces of a byte."""
        self.below.chunk = 1
        self.handshake()

    def test_smallPipe(self) -> None:
        """It may go out in small pieces as well, of which nobody hears as of bytes of theirs."""
        plane = MemoryPlane(capacity=50)
        here, there = plane.pair()
        server = plane.tls(here, serverContexts().connection())
        client = plane.tls(there, clientTrust().connection())
        server.handshake(self.answers.append)
        client.handshake(self.answers.append)
        plane.pump()
        self.assertEqual(self.answers, [None, None])
        one, two = Recorder(server), Recorder(client)
        server.resumeReading()
        client.resumeReading()
        one.write(b"x" * 10_000)
        plane.pump()
        self.assertEqual((len(two.received), one.gone, two.gone), (10_000, 10_000, 0))

    def test_refused(self) -> None:
        """What is wrong is told as OpenSSL's error; the other side gets the alert when the channel is closed."""
        here, there = self.plane.pair()
        client = self.plane.tls(here, GatewayTrust("localhost", pins=["sha256:" + "A" * 43 + "="]).connection())
        server = self.plane.tls(there, serverContexts().connection())
        heard: dict[str, Exception | None] = {}

        def failed(error: Exception | None) -> None:
            heard["client"] = error
            client.close()

        client.handshake(failed)
        server.handshake(lambda error: heard.update(server=error))
        self.plane.pump()
        self.assertIsInstance(heard["client"], SSL.Error)
        if heard["server"] is None:  # TLS 1.3: the server is done before the client has judged it
            recorder = Recorder(server)
            server.resumeReading()
            self.plane.pump()
            self.assertIsInstance(recorder.errors[0].__cause__, SSL.Error)
            self.assertIn("alert", str(recorder.errors[0]))

    def test_noTLS(self) -> None:
        """What is not TLS is told as such, once; more of it is not listened to, with no owner yet."""
        self.tls.handshake(self.answers.append)
        self.client.recorder.write(b"GET / HTTP/1.1\r\n\r\n")
        self.plane.pump()
        self.client.recorder.write(b"Host: x\r\n\r\n" * 1_000)
        self.plane.pump()
        self.assertEqual(len(self.answers), 1)
        self.assertIn("http request", describe(self.answers[0]))  # type: ignore[arg-type]

    def test_lost(self) -> None:
        """A connection that ends or breaks in the middle is told once, as an OSError."""
        for end in ("close", "abort"):
            self.setUp()
            self.tls.handshake(self.answers.append)
            getattr(self.client.recorder, end)()
            self.plane.pump()
            self.assertEqual(len(self.answers), 1)
            self.assertIsInstance(self.answers[0], OSError)

    def test_abandoned(self) -> None:
        """Whoever aborts or closes in the middle hears nothing more."""
        for end in ("close", "abort"):
            self.setUp()
            self.tls.handshake(self.answers.append)
            self.client.shake()
            getattr(self.tls, end)()
            self.client.send()
            self.client.recorder.close()
            self.plane.pump()
            self.assertEqual(self.answers, [])


class StreamTests(TLSTestCase):
    """How it goes on."""

    def test_pilesNothingUp(self) -> None:
        """A reader in small steps makes the channel take no more from below than it has decrypted."""
        self.handshake()
        taken = 0
        readInto = self.below.readInto

        def counting(view: memoryview) -> int:
            nonlocal taken
            size = readInto(view)
            taken += max(size, 0)
            return size

        self.below.readInto = counting  # type: ignore[method-assign]
        recorder = self.reader(room=16_384)
        worst = 0

        def read() -> None:
            nonlocal worst
            worst = max(worst, taken - len(recorder.received))

        recorder.onRead = read
        self.client.connection.sendall(b"x" * 2_000_000)
        self.client.send()
        self.assertEqual(len(recorder.received), 2_000_000)
        self.assertLess(worst, INCOMING_SIZE + 16_384)

    def test_saysHowMuch(self) -> None:
        """The channel below is told the size of what it gets, also when it is exactly one slice."""
        self.handshake()
        wrong: list[tuple[int, int]] = []
        write = self.below.write

        def check(parts: Any, size: int) -> int:
            wrong.extend({(size, sum(map(len, parts)))} - {(size, size)})
            return write(parts, size)

        self.below.write = check  # type: ignore[method-assign]
        for size in (1, 8_170, RECORD_MAX, RECORD_MAX + 1, SLICE, SLICE + 1, 2 * SLICE):
            self.tls.write([bytes(size)], size)
            self.tls.write([bytes(size), b"x"], size + 1)
        self.assertEqual(wrong, [])

    def test_lastByte(self) -> None:
        """The last byte is told when nothing is queued any more, and not before: there is more ciphertext than what is
        in it, and who waits for an empty queue would wait for ever."""
        self.handshake()
        recorder = Recorder(self.tls)
        told: list[tuple[int, bool]] = []
        recorder.drained = lambda size: told.append((size, bool(self.tls.queued)))  # type: ignore[method-assign]

        below = self.tls._below = StuckChannel(self.tls)
        self.assertEqual(self.tls.write([bytes(SLICE)], SLICE), 0)
        below.take(self.tls.queued - 30)
        below.take(30)
        self.assertEqual((sum(size for size, _ in told), told[-1]), (SLICE, (1, False)))
        for _ in range(200):
            self.tls.write([b"x"], 1)
        while self.tls.queued:
            below.take(17)
        self.assertEqual((sum(size for size, _ in told), told[-1][1]), (SLICE + 200, False))
        self.assertTrue(all(size for size, _ in told))

    def test_smallRecords(self) -> None:
        """A peer that wants records of 512 bytes gets all of what is written, whatever its size and parts."""
        write = recordsModule._SSL_write

        class Small(self.kind):  # type: ignore[misc,name-defined]
            """What OpenSSL does when such a length was agreed on: one record at a time is taken."""

            def encrypt(self, part: bytes | memoryview, start: int, most: int) -> int:
                return int(super().encrypt(part, start, min(most, 512)))

        self.patch(recordsModule, "_SSL_write", lambda ssl, at, size: write(ssl, at, min(size, 512)))
        self.begin(Small if self.kind is MethodRecords else self.kind)
        self.handshake()
        sent = b""
        for size in (1, 512, 513, 5_000, RECORD_MAX, RECORD_MAX + 1, SLICE, 2 * SLICE + 700):
            data = random.Random(size).randbytes(size)
            self.tls.write([data], size)
            self.tls.write([data[:100], data[100:]], size)
            sent += data * 2
        self.plane.pump()
        self.assertEqual(self.client.read(), sent)

    def test_wholeRecords(self) -> None:
        """A reader whose room is exactly that of the records gets all of them, and the end."""
        self.handshake()
        recorder = self.reader(room=16_384)
        self.client.connection.sendall(b"x" * 16_384 * 20)
        self.client.connection.shutdown()
        self.client.send()
        self.client.recorder.close()
        self.plane.pump()
        self.assertEqual((len(recorder.received), recorder.events), (16_384 * 20, ["end"]))

    def test_pausedBehindWholeRecords(self) -> None:
        """A reader that pauses right behind a full read finds the rest when it resumes."""
        self.handshake()
        recorder = self.reader(room=16_384)
        recorder.onRead = self.tls.pauseReading
        self.client.connection.sendall(b"x" * 16_384 * 3)
        self.client.send()
        for expected in (1, 2, 3):
            self.assertEqual(len(recorder.received), expected * 16_384)
            self.tls.resumeReading()
            self.plane.pump()

    def test_cutOff(self) -> None:
        """An end without close_notify is a break, not an end; what came before it is there."""
        self.handshake()
        recorder = self.reader(room=100)
        self.client.connection.sendall(b"x" * 1_000)
        self.client.send()
        self.client.recorder.close()
        self.plane.pump()
        self.assertEqual((len(recorder.received), recorder.events), (1_000, ["broken"]))

    def test_forged(self) -> None:
        """Bytes that nobody with the key has written break the channel behind those that were."""
        self.handshake()
        recorder = self.reader()
        self.client.connection.send(b"genuine")
        self.client.recorder.write(self.client.take() + b"\x17\x03\x03\x00\x20" + b"?" * 32)
        self.plane.pump()
        self.assertEqual((bytes(recorder.received), recorder.events), (b"genuine", ["broken"]))
        self.assertIsInstance(recorder.errors[0].__cause__, SSL.Error)

    def test_emptyParts(self) -> None:
        """Parts without a byte are no harm."""
        self.handshake()
        recorder = self.reader()
        recorder.write(b"", b"x" * 20_000, b"")
        recorder.write(b"")
        self.plane.pump()
        self.client.feed()
        self.assertEqual(len(self.client.connection.recv(16_384)) + len(self.client.connection.recv(16_384)), 20_000)
        self.assertEqual(recorder.events, [])

    def test_writtenAfterTheEnd(self) -> None:
        """Writing after `finish` breaks the channel, once, and not from within the call."""
        self.handshake()
        recorder = self.reader()
        self.tls.finish()
        recorder.write(b"x")
        recorder.write(b"x")
        self.assertEqual(recorder.events, [])
        self.plane.pump()
        self.assertEqual((recorder.events, recorder.late), (["broken"], []))

    def test_brokenAfterClose(self) -> None:
        """Nor is anybody told of it who has closed meanwhile."""
        self.handshake()
        recorder = self.reader()
        self.tls.finish()
        recorder.write(b"x")
        recorder.close()
        self.plane.pump()
        self.assertEqual((recorder.events, recorder.late), ([], []))

    def test_tls12(self) -> None:
        """It works with TLS 1.2 as well."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        self.client.connection = SSL.Connection(context, None)
        self.client.connection.set_connect_state()
        self.tls.handshake(self.answers.append)
        for _ in range(4):
            self.client.shake()
            self.client.send()
        self.assertEqual((self.answers, self.client.connection.get_protocol_version_name()), ([None], "TLSv1.2"))
        recorder = self.reader()
        self.client.connection.send(b"old")
        self.client.send()
        self.assertEqual(bytes(recorder.received), b"old")

    def test_slices(self) -> None:
        """A large write is encrypted in slices, a read takes in no more than it has room for: buffers stay small."""
        taken: list[int] = []

        class Measured(self.kind):  # type: ignore[misc,name-defined]
            def take(self, at: int) -> int:
                taken.append(super().take(at))
                return taken[-1]

        self.begin(Measured)
        self.handshake()
        recorder = self.reader(room=65_536)
        rooms: list[int] = []
        readInto = self.below.readInto

        def measuredRead(view: memoryview) -> int:
            rooms.append(len(view))
            return readInto(view)

        self.below.readInto = measuredRead  # type: ignore[method-assign]
        recorder.write(b"x" * 1_000_000)
        self.plane.pump()
        self.assertEqual(len(self.client.read()), 1_000_000)
        self.client.connection.sendall(b"x" * 1_000_000)
        self.client.send()
        self.assertEqual(len(recorder.received), 1_000_000)
        self.assertLess(max(taken), 2 * SLICE)
        self.assertLessEqual(max(rooms), 65_536)

    def test_manySmallParts(self) -> None:
        """Thousands of parts, whose ciphertext is many times as large, arrive as well."""
        self.handshake()
        data = random.Random(1).randbytes(RECORD_MAX + 9)
        self.tls.write([data[at : at + 1] for at in range(len(data))] * 2, 2 * len(data))
        self.plane.pump()
        self.assertEqual(self.client.read(), data * 2)


class MethodHandshakeTests(HandshakeTests):
    """The same where pyOpenSSL's methods must do."""

    kind = MethodRecords


class MethodStreamTests(StreamTests):
    """The same where pyOpenSSL's methods must do."""

    kind = MethodRecords
