"""Frames in, calls out, however they are cut; and what concerns the whole link: `docs/wire.md`, sections 3 and 8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, Refused
from diglett.wire.frames import FRAME_MAX, PAYLOAD_MAX, Kind, encodeClose, encodeFrame
from diglett.wire.messages import decodeRefusal
from tests.wire import cut
from tests.wire.playing import Side, check
from tests.wire.test_mux_flow import credit
from tests.wire.test_mux_streams import finish, openFrame, payload

IDS = st.sampled_from([1, 3, 5])
VALID = st.one_of(
    st.builds(payload, IDS, st.binary(max_size=40)),
    st.builds(payload, IDS, st.just(bytes(5_000))),
    st.builds(finish, IDS),
    st.builds(encodeClose, IDS, st.integers(0, 12), st.text("aé", max_size=3)),
    st.builds(credit, IDS, st.integers(1, 2**32 - 1)),
    st.builds(lambda data: encodeFrame(Kind.PING, 0, data), st.binary(min_size=8, max_size=8)),
    st.builds(lambda kind, data: encodeFrame(kind, 7, data), st.integers(64, 127), st.binary(max_size=30)),
    st.just(encodeFrame(Kind.DRAIN, 0)),
)
"""Frames that a peer may send, for streams that may be over."""


def feed(side: Side, pieces: Any) -> None:
    """Receive as a link does: what is left of one piece stands before the next."""
    left = b""
    for piece in pieces:
        data = left + piece
        left = data[side.mux.receive(memoryview(data)) :]
    assert not left


def story(side: Side) -> list[Any]:
    """Everything that the endpoints and the driver were told and what was answered."""
    ends = [(bytes(end.heard), end.ended, end.ending, end.resumed) for end in side.records]
    return [ends, side.calls, side.take(), side.mux.undelivered]


class PiecesTests(SynchronousTestCase):
    """Frames have no borders that TCP knows of."""

    @given(st.lists(VALID, max_size=25), st.lists(st.integers(0, 50_000), max_size=12))
    def test_anyPieces(self, frames: list[bytes], cuts: list[int]) -> None:
        """However the bytes are cut, the endpoints hear the same and the same is answered."""
        data = b"".join([openFrame(1), openFrame(3), *frames])
        stories = []
        for pieces in ([data], cut(data, cuts)):
            side = Side(takes=0)
            feed(side, pieces)
            check(side)
            stories.append(story(side))
        self.assertEqual(*stories)

    @given(st.lists(VALID, max_size=6))
    def test_byteByByte(self, frames: list[bytes]) -> None:
        """Nor does it matter when each byte comes alone."""
        data = b"".join([openFrame(1), *(frame for frame in frames if len(frame) < 100)])
        whole, slow = Side(), Side()
        feed(whole, [data])
        feed(slow, (data[at : at + 1] for at in range(len(data))))
        self.assertEqual(story(slow), story(whole))

    def test_half(self) -> None:
        """Half a frame is left where it is, and the whole ones before it are taken."""
        side = Side()
        whole = openFrame(1) + payload(1, b"abc")
        for half in (b"", b"\4", payload(1, b"x")[:-1], encodeFrame(Kind.PING, 0, b"12345678")[:10]):
            side.mux.close(side.endpoints[1].stream) if side.records else None
            self.assertEqual(side.receive(whole, half), len(whole))
            self.assertEqual(side.endpoints[1].heard, b"abc")

    def test_runs(self) -> None:
        """Consecutive frames of a stream are delivered together, in place, and each run by itself."""
        side = Side()
        side.receive(openFrame(1), openFrame(3))
        calls: list[tuple[int, list[bytes]]] = []

        def listen(id: int) -> None:
            def deliver(parts: Sequence[memoryview], size: int) -> int:
                calls.append((id, [bytes(part) for part in parts]))
                self.assertTrue(all(part.obj is data for part in parts), "copied")
                return size

            side.endpoints[id].deliver = deliver

        listen(1)
        listen(3)
        ping = encodeFrame(Kind.PING, 0, b"12345678")
        data = b"".join(
            [payload(1, b"a"), payload(1, b"b"), payload(3, b"c"), payload(1, b"d"), ping, payload(1, b"e")]
        )
        side.mux.receive(memoryview(data))
        self.assertEqual(calls, [(1, [b"a", b"b"]), (3, [b"c"]), (1, [b"d"]), (1, [b"e"])])

    def test_largest(self) -> None:
        """The largest frame is fine; one byte more is a link error, known from its header."""
        side = Side()
        side.receive(openFrame(1), payload(1, bytes(PAYLOAD_MAX)))
        self.assertEqual(len(side.endpoints[1].heard), PAYLOAD_MAX)
        self.assertEqual(len(payload(1, bytes(PAYLOAD_MAX))), FRAME_MAX)
        for kind in (Kind.PAYLOAD, Kind.CLOSE, 64):
            for size in (PAYLOAD_MAX + 1, 65_535):
                header = bytes([kind]) + b"\0\0\0\1" + size.to_bytes(2, "big")
                self.assertRaises(ProtocolError, side.receive, header)

    def test_beforeTheError(self) -> None:
        """What stood before a mistake has been delivered."""
        side = Side()
        self.assertRaises(ProtocolError, side.receive, openFrame(1), payload(1, b"a"), payload(1, b"b"), b"\xff" * 7)
        self.assertEqual(side.endpoints[1].heard, b"ab")


class LinkTests(SynchronousTestCase):
    """Frames with id 0."""

    def setUp(self) -> None:
        self.side = Side()

    def test_ping(self) -> None:
        """A Ping is answered by a Pong with its own bytes; each of them."""
        self.side.receive(encodeFrame(Kind.PING, 0, b"12345678"), encodeFrame(Kind.PING, 0, b"abcdefgh"))
        self.assertEqual(self.side.take(), [(Kind.PONG, 0, b"12345678"), (Kind.PONG, 0, b"abcdefgh")])

    def test_pong(self) -> None:
        """Our Ping goes out and the driver hears the Pong."""
        self.side.mux.ping(b"12345678")
        self.assertEqual(self.side.take(), [(Kind.PING, 0, b"12345678")])
        self.side.receive(encodeFrame(Kind.PONG, 0, b"12345678"))
        self.assertEqual(self.side.calls, [("pong", b"12345678")])

    def test_terminate(self) -> None:
        """Terminate goes out and is heard."""
        self.side.mux.terminate()
        self.assertEqual(self.side.take(), [(Kind.TERMINATE, 0, b"")])
        self.side.receive(encodeFrame(Kind.TERMINATE, 0))
        self.assertEqual(self.side.calls, ["terminated"])

    def test_error(self) -> None:
        """The reason for the end goes out and is heard as it was said."""
        self.side.mux.terminate(Refused("no longer allowed", code="revoked", permanent=True))
        ((kind, id, said),) = self.side.take()
        self.assertEqual((kind, id, decodeRefusal(said).code), (Kind.ERROR, 0, "revoked"))
        self.side.receive(encodeFrame(kind, id, said))
        heard = self.side.calls[0]
        self.assertEqual((heard.code, heard.permanent, str(heard)), ("revoked", True, "no longer allowed"))

    def test_linkError(self) -> None:
        """So does a broken rule."""
        self.side.mux.terminate(ProtocolError("malformed Open"))
        ((_, _, said),) = self.side.take()
        self.assertEqual((decodeRefusal(said).code, decodeRefusal(said).permanent), ("protocol", True))

    def test_extensions(self) -> None:
        """Kinds that are reserved for extensions are skipped, whatever is in them."""
        self.side.receive(openFrame(1))
        for kind in range(64, 128):
            self.side.receive(encodeFrame(kind, kind, bytes(kind)), payload(1, b"."))
        self.side.receive(encodeFrame(64, 1, bytes(PAYLOAD_MAX)))
        self.assertEqual((self.side.endpoints[1].heard, self.side.take()), (b"." * 64, []))
        self.assertEqual(len(self.side.calls), 1)
