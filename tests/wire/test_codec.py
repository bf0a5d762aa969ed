"""Reading the preface and the handshake's frames, in whatever pieces they come: `docs/wire.md`, sections 2 and 3."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, VersionMismatch
from diglett.wire.codec import HELLO_MAX, Frame, PrefaceReader, encodePreface
from diglett.wire.frames import HANDSHAKE_MAX, encodeFrame
from tests.wire import cut

FRAMES = st.lists(
    st.builds(
        Frame,
        kind=st.integers(0, 255),
        id=st.integers(0, 2**32 - 1),
        payload=st.binary(max_size=50) | st.just(bytes(HANDSHAKE_MAX)),
    ),
    max_size=4,
)


def encode(frames: list[Frame]) -> bytes:
    return b"".join(encodeFrame(frame.kind, frame.id, frame.payload) for frame in frames)


class PrefaceTests(SynchronousTestCase):
    """The first bytes of a link."""

    def reader(self, data: bytes) -> PrefaceReader:
        reader = PrefaceReader()
        reader.feed(data)
        return reader

    def test_layout(self) -> None:
        """Magic, version, length, hello."""
        self.assertEqual(encodePreface(b"{}").hex(), "6469676c" "02" "0002" "7b7d")

    @given(st.binary(max_size=60) | st.just(bytes(HELLO_MAX)), FRAMES, st.lists(st.integers(0, 40_000), max_size=8))
    def test_pieces(self, hello: bytes, frames: list[Frame], cuts: list[int]) -> None:
        """However it is cut, the same hello and the same frames come out, and nothing is left."""
        reader = PrefaceReader()
        heard: bytes | None = None
        got: list[Frame] = []
        for piece in cut(encodePreface(hello) + encode(frames), cuts):
            reader.feed(memoryview(piece))
            if heard is None:
                heard = reader.hello()
            if heard is not None:
                while frame := reader.frame():
                    got.append(frame)
        self.assertEqual((heard, got, reader.buffered), (hello, frames, 0))

    def test_waits(self) -> None:
        """Nothing is said of a preface that is not all there."""
        whole = encodePreface(b'{"window":16384}')
        for size in range(len(whole)):
            self.assertIsNone(self.reader(whole[:size]).hello())

    def test_wrongMagic(self) -> None:
        """Another protocol is known by its first wrong byte."""
        for data in (b"G", b"GET / HTTP/1.1\r\n", b"dX", b"digX", b"\x16\x03\x01"):
            self.assertRaises(ProtocolError, self.reader(data).hello)

    def test_otherVersion(self) -> None:
        """Another version is told apart from another protocol, as soon as its byte is there."""
        for version in (0, 1, 3, 255):
            error = self.assertRaises(VersionMismatch, self.reader(b"digl" + bytes([version])).hello)
            self.assertEqual((error.version, error.code), (version, "version"))

    def test_longHello(self) -> None:
        """A hello may be 4096 bytes long; one more is refused before it has come."""
        self.assertIsNone(self.reader(b"digl\x02\x10\x00").hello())
        self.assertRaises(ProtocolError, self.reader(b"digl\x02\x10\x01").hello)

    @given(st.binary(max_size=40))
    def test_anything(self, data: bytes) -> None:
        """Garbage is a protocol error or not finished yet, never anything else."""
        reader = self.reader(data)
        try:
            reader.hello()
        except ProtocolError:
            pass


class FrameTests(SynchronousTestCase):
    """The frames behind the preface."""

    def setUp(self) -> None:
        self.reader = PrefaceReader()

    def test_waits(self) -> None:
        """A frame comes out when its last byte is there."""
        whole = encodeFrame(2, 1, b"abc")
        for at in range(len(whole)):
            self.assertIsNone(self.reader.frame())
            self.reader.feed(whole[at : at + 1])
        self.assertEqual(self.reader.frame(), Frame(2, 1, b"abc"))
        self.assertIsNone(self.reader.frame())

    def test_largest(self) -> None:
        """8192 bytes of payload are the most; one more is refused before it has come."""
        self.reader.feed(encodeFrame(2, 1, bytes(HANDSHAKE_MAX)))
        self.assertEqual(self.reader.frame(), Frame(2, 1, bytes(8_192)))
        self.reader.feed(encodeFrame(2, 1, bytes(HANDSHAKE_MAX + 1))[:7])
        self.assertRaises(ProtocolError, self.reader.frame)

    def test_rest(self) -> None:
        """What comes behind the handshake is handed over whole, once."""
        self.reader.feed(encodeFrame(3, 0) + b"the mux's")
        self.reader.frame()
        self.assertEqual(self.reader.buffered, 9)
        self.assertEqual((self.reader.rest(), self.reader.rest(), self.reader.buffered), (b"the mux's", b"", 0))
