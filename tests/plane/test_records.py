"""Bytes into and out of OpenSSL, by its functions and by pyOpenSSL's methods."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane import records as recordsModule
from diglett.plane.records import (
    OUTGOING_SIZE,
    OVERHEAD,
    RECORD_MAX,
    SLICE,
    SLICE_MAX,
    FunctionRecords,
    MethodRecords,
    Records,
    incoming,
    outgoing,
    recordsOf,
)
from diglett.testing import clientTrust, serverContexts


class Side:
    """One end of a connection, and its records."""

    def __init__(self, connection: SSL.Connection, kind: type) -> None:
        self.connection = connection
        self.records: Records = kind(connection)

    def feed(self, data: bytes) -> None:
        """This has come."""
        incoming[: len(data)] = data
        self.records.feed(len(data))

    def take(self) -> bytes:
        """What is to go."""
        return bytes(outgoing[: self.records.take(0)])

    def encrypt(self, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += self.records.encrypt(data, done, SLICE)

    def decrypt(self, room: int = 100_000) -> bytes:
        view = memoryview(bytearray(room))
        return bytes(view[: self.records.decrypt(view)])


def pair(kind: type) -> tuple[Side, Side]:
    """A server and a client who have shaken hands."""
    server = Side(serverContexts().connection(), kind)
    client = Side(clientTrust().connection(), kind)
    for _ in range(3):
        for side, other in ((client, server), (server, client)):
            try:
                side.connection.do_handshake()
            except SSL.WantReadError:
                pass
            data = side.take()
            if data:
                other.feed(data)
    client.decrypt()  # the server's tickets
    return server, client


class PortionsTests(SynchronousTestCase):
    """Both ways to call OpenSSL."""

    @given(
        st.sampled_from([FunctionRecords, MethodRecords]),
        st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
        st.integers(1, 50_000),
        st.data(),
    )
    def test_anySizes(self, kind: type, sizes: list[int], room: int, data: st.DataObject) -> None:
        """Whatever is encrypted is decrypted, in whatever portions it travels and is read."""
        here, there = pair(kind)
        sent = random.Random(room).randbytes(sum(sizes))
        at = 0
        for size in sizes:
            here.encrypt(sent[at : at + size])
            at += size
        ciphertext = b""
        while fresh := here.take():
            ciphertext += fresh
        received = b""
        while ciphertext:
            portion = data.draw(st.integers(1, len(ciphertext))) if len(sizes) < 3 else 7_000
            there.feed(ciphertext[:portion])
            ciphertext = ciphertext[portion:]
            while fresh := there.decrypt(room):
                received += fresh
            self.assertTrue(there.records.exhausted)
        self.assertEqual(received, sent)


class FunctionTests(SynchronousTestCase):
    """By OpenSSL's functions."""

    kind: type = FunctionRecords

    def setUp(self) -> None:
        self.here, self.there = pair(self.kind)

    def test_exhausted(self) -> None:
        """They know whether there may be more to be had without feeding."""
        self.here.encrypt(b"x" * 100)
        self.here.encrypt(b"y" * 100)
        self.there.feed(self.here.take())
        self.assertEqual((self.there.decrypt(150), self.there.records.exhausted), (b"x" * 100 + b"y" * 50, False))
        self.assertEqual((self.there.decrypt(150), self.there.records.exhausted), (b"y" * 50, True))
        self.assertEqual((self.there.decrypt(150), self.there.records.exhausted), (b"", True))

    def test_most(self) -> None:
        """No more is encrypted at a time than was allowed, and what comes of a slice fits where it is meant to."""
        self.assertLessEqual(self.here.records.encrypt(bytes(SLICE * 2), 10, 1_000), 1_000)
        done = 0
        self.here.take()
        while done < SLICE:
            done += self.here.records.encrypt(bytes(SLICE * 2), done, SLICE - done)
        self.assertEqual(done, SLICE)
        size = self.here.records.take(OUTGOING_SIZE - SLICE_MAX)
        self.assertGreater(size, SLICE)
        self.assertEqual(self.here.take(), b"")

    def test_taken(self) -> None:
        """Ciphertext goes where it was wanted, and what found no room there is kept."""
        self.here.encrypt(b"x" * RECORD_MAX)
        outgoing[:100] = bytes(100)
        first = self.here.records.take(OUTGOING_SIZE - 20)
        self.assertEqual((first, bytes(outgoing[:100])), (20, bytes(100)))
        self.there.feed(bytes(outgoing[OUTGOING_SIZE - 20 :]) + self.here.take())
        self.assertEqual(self.there.decrypt(), b"x" * RECORD_MAX)

    def test_ended(self) -> None:
        """The end is told behind the last bytes, each time it is asked for."""
        self.here.encrypt(b"last")
        self.here.connection.shutdown()
        self.there.feed(self.here.take())
        self.assertEqual((self.there.decrypt(), self.there.records.exhausted), (b"last", False))
        for _ in range(2):
            self.assertRaises(SSL.ZeroReturnError, self.there.decrypt)

    def test_forged(self) -> None:
        """Bytes without the key fail behind those that had it, each time, and disturb no other connection."""
        others = pair(self.kind)
        others[0].encrypt(b"all well")
        self.here.encrypt(b"genuine")
        self.there.feed(self.here.take() + b"\x17\x03\x03\x00\x20" + b"?" * 32)
        self.assertEqual((self.there.decrypt(), self.there.records.exhausted), (b"genuine", False))
        self.assertEqual(others[1].decrypt(), b"")
        for _ in range(2):
            error = self.assertRaises(SSL.Error, self.there.decrypt)
            self.assertNotIsInstance(error, SSL.WantReadError)
            others[1].feed(others[0].take())
            self.assertEqual(others[1].decrypt(), b"all well")
            others[0].encrypt(b"all well")

    def test_writtenAfterTheEnd(self) -> None:
        """Who has said the end cannot go on, and is told so."""
        self.here.connection.shutdown()
        self.assertRaises(SSL.Error, self.here.records.encrypt, b"x", 0, 1)
        other, peer = pair(self.kind)
        other.encrypt(b"all well")
        peer.feed(other.take())
        self.assertEqual(peer.decrypt(), b"all well")

    def test_readOnly(self) -> None:
        """Nothing is decrypted into what must not be written to."""
        self.here.encrypt(b"x")
        self.there.feed(self.here.take())
        constant = b"constant"
        self.assertRaises((TypeError, BufferError), self.there.records.decrypt, memoryview(constant))
        self.assertEqual(constant, b"constant")


class CallsTests(SynchronousTestCase):
    """How often OpenSSL is called."""

    def counted(self, name: str) -> list[int]:
        """The sizes that this function is called with from now on."""
        calls: list[int] = []
        function = getattr(recordsModule, name)

        def count(ssl: object, at: object, size: int) -> int:
            calls.append(size)
            return int(function(ssl, at, size))

        self.patch(recordsModule, name, count)
        return calls

    def test_whole(self) -> None:
        """A whole slice is encrypted by one call, as records of the largest size."""
        here, there = pair(FunctionRecords)
        sent = random.Random(1).randbytes(SLICE)
        calls = self.counted("_SSL_write")
        self.assertEqual(here.records.encrypt(sent, 0, SLICE), SLICE)
        self.assertEqual(calls, [SLICE])
        data = here.take()
        self.assertLess(len(data), SLICE + (SLICE // RECORD_MAX + 1) * OVERHEAD)
        there.feed(data)
        self.assertEqual(there.decrypt(), sent)

    def test_short(self) -> None:
        """A short record with nothing behind it is read by one call; whatever stands behind it is still found."""
        here, there = pair(FunctionRecords)
        calls = self.counted("_SSL_read")
        here.encrypt(b"short")
        there.feed(here.take())
        self.assertEqual((there.decrypt(), there.records.exhausted, len(calls)), (b"short", True, 1))
        here.encrypt(b"one")
        here.encrypt(b"two")
        data = here.take()
        there.feed(data[:-3])
        self.assertEqual((there.decrypt(), there.records.exhausted), (b"one", True))
        there.feed(data[-3:])
        self.assertEqual((there.decrypt(), there.records.exhausted), (b"two", True))


class MethodTests(FunctionTests):
    """The same by pyOpenSSL's methods."""

    kind = MethodRecords


class ChoiceTests(SynchronousTestCase):
    """Which of them it is."""

    def test_functions(self) -> None:
        """With this pyOpenSSL it is the faster one."""
        self.assertIsInstance(recordsOf(clientTrust().connection()), FunctionRecords)

    def test_methods(self) -> None:
        """A pyOpenSSL that keeps its objects elsewhere, or knows no such functions, still works."""

        class Other:
            """Nothing of what is looked for."""

        self.assertIsInstance(recordsOf(Other()), MethodRecords)  # type: ignore[arg-type]
        self.patch(recordsModule, "_FUNCTIONS", False)
        self.assertIsInstance(recordsOf(clientTrust().connection()), MethodRecords)
