"""What a peer may not do, and that nothing it does harms us: `docs/wire.md`, sections 3, 5, 8, 9 and 10."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, Refused
from diglett.wire.frames import CONTROL_MAX, HEADER, ID_MAX, Kind, Reason, encodeFrame
from diglett.wire.outbox import CONTROL_QUEUE_MAX
from tests.wire.playing import Side, check, room
from tests.wire.test_mux import VALID
from tests.wire.test_mux_flow import credit
from tests.wire.test_mux_streams import finish, openFrame, payload

PING = encodeFrame(Kind.PING, 0, b"12345678")
ANY_ID = st.sampled_from([0, 1, 2, 3, 5, 7, ID_MAX]) | st.integers(0, ID_MAX)
ODD = st.builds(encodeFrame, st.integers(0, 140), ANY_ID, st.binary(max_size=20))
"""Frames that are hardly ever allowed."""


class LinkErrorTests(SynchronousTestCase):
    """Rules whose breach ends the link."""

    def refused(self, *frames: bytes, opens: bool = False) -> None:
        """Check that the last of these is a link error, and the ones before are none."""
        side = Side(opens=opens)
        if opens:
            side.open()
        else:
            side.receive(openFrame(1))
        side.receive(*frames[:-1])
        self.assertRaises(ProtocolError, side.receive, frames[-1])
        check(side)

    def test_duplicateOpen(self) -> None:
        """An Open with the id of a live stream."""
        self.refused(openFrame(1))
        self.refused(openFrame(3), finish(3), openFrame(3))

    def test_evenOpen(self) -> None:
        """An Open with an even id, 0 included: they are reserved."""
        for id in (0, 2, 4, ID_MAX - 1):
            self.refused(openFrame(id))

    def test_agentsOpen(self) -> None:
        """An Open from the agent, with whatever id."""
        for id in (1, 2, 3, 4):
            self.refused(openFrame(id), opens=True)

    def test_malformedOpen(self) -> None:
        """An Open that is too short, too long or no UTF-8."""
        self.refused(encodeFrame(Kind.OPEN, 3))
        self.refused(encodeFrame(Kind.OPEN, 3, b"\0\1\0\0" + b"a" * (CONTROL_MAX - 3)))
        self.refused(encodeFrame(Kind.OPEN, 3, b"\0\1\0\xff\0"))
        longest = Side()
        longest.receive(encodeFrame(Kind.OPEN, 3, b"\0\1\0\0" + b"a" * (CONTROL_MAX - 4)))
        self.assertEqual(list(longest.mux.streams), [3])

    def test_unknownKinds(self) -> None:
        """Every kind that is neither ours nor for extensions."""
        for kind in (*range(14, 64), *range(128, 256)):
            self.refused(encodeFrame(kind, 0))

    def test_handshakeKinds(self) -> None:
        """Kinds that belong to the handshake, after it."""
        for kind in (Kind.OK, Kind.REGISTER, Kind.FINISH_REGISTER, Kind.LOGIN):
            for opens in (True, False):
                self.refused(encodeFrame(kind, 0, b"{}"), opens=opens)

    def test_sizes(self) -> None:
        """Frames of a size that their kind cannot have, for streams that are live or not."""
        for id in (1, 99):
            for kind, wrong in (
                (Kind.FINISH, [1, 5]),
                (Kind.WINDOW, [0, 3, 5, 8]),
                (Kind.CLOSE, [1, CONTROL_MAX + 1]),
            ):
                for size in wrong:
                    self.refused(encodeFrame(kind, id, bytes([1]) * size))
        for kind, wrong in (
            (Kind.PING, [0, 7, 9]),
            (Kind.PONG, [0, 7, 9]),
            (Kind.DRAIN, [1, 8]),
            (Kind.TERMINATE, [1, 8]),
        ):
            for size in wrong:
                self.refused(encodeFrame(kind, 0, bytes(size)))

    def test_linkIds(self) -> None:
        """Frames that concern the link, with a stream's id."""
        for kind, said in ((Kind.PING, bytes(8)), (Kind.PONG, bytes(8)), (Kind.DRAIN, b""), (Kind.TERMINATE, b"")):
            self.refused(encodeFrame(kind, 1, said))

    def test_noCredit(self) -> None:
        """A Window that gives nothing."""
        self.refused(credit(1, 0))
        self.refused(credit(99, 0))

    def test_malformedError(self) -> None:
        """An Error that is no JSON object, or not the one specified."""
        for said in (b"{", b"[]", b'{"code":1}', b'{"permanent":1}', b"\xff"):
            self.refused(encodeFrame(Kind.ERROR, 0, said))


class FloodTests(SynchronousTestCase):
    """A peer that makes us owe it more and more, and does not take it."""

    def blocked(self) -> Side:
        side = Side(opens=True)
        side.open()
        side.take()
        side.mux.block()
        return side

    def test_pings(self) -> None:
        """Pings that nobody reads the answers of end the link when a mebibyte of answers waits, and not before."""
        side = self.blocked()
        fit = CONTROL_QUEUE_MAX // len(PING)
        for _ in range(fit // 1_000):
            side.receive(PING * 1_000)
        side.receive(PING * (fit % 1_000))
        check(side)
        error = self.assertRaises(ProtocolError, side.receive, PING)
        self.assertEqual(error.code, "protocol")
        check(side)

    def test_atOnce(self) -> None:
        """However much comes in one piece, what is kept is bounded."""
        side = self.blocked()
        self.assertRaises(ProtocolError, side.receive, PING * 200_000)
        check(side)
        self.assertEqual(side.mux.output(), [])

    def test_ours(self) -> None:
        """When our own doings fill the queue, nobody who does them hears of it: `receive` does, and no stream opens."""
        side = self.blocked()
        for _ in range(100_000):
            side.mux.ping(b"12345678")
        self.assertRaises(Refused, side.open)
        side.mux.finish(side.endpoints[1].stream)
        side.mux.unblock()
        self.assertEqual(side.take(), [], "something is missing: the peer would misunderstand the rest")
        self.assertRaises(ProtocolError, side.receive, PING)

    def test_unblocked(self) -> None:
        """A peer that reads may ping as often as it likes."""
        side = Side()
        for _ in range(100):
            side.receive(PING * 2_000)
            side.take()
        check(side)

    def test_opensAndCloses(self) -> None:
        """Streams that come and go while the link is blocked leave nothing behind, not even in the queue for room."""
        side = Side(opens=True)
        for _ in range(20):
            side.mux.block()
            for _ in range(500):
                end = side.open()
                self.assertIsNone(room(side.mux, end.stream))
                side.mux.close(end.stream, Reason.RESET)
            self.assertEqual((len(side.mux.streams), len(side.mux._waiting)), (0, 0))
            side.mux.unblock()
            side.take()
        self.assertEqual(sum(end.resumed for end in side.records), 0)
        check(side)

    def test_late(self) -> None:
        """Frames for nobody cost a counter."""
        side = Side()
        for _ in range(10):
            side.receive(payload(9, b"x") * 1_000, finish(9) * 1_000, credit(9, 1) * 1_000)
        self.assertEqual(side.mux.ignored, 10 * 3_000)
        self.assertEqual((side.take(), side.mux.streams), ([], {}))


class AnythingTests(SynchronousTestCase):
    """No bytes make a mux raise anything but a protocol error, or lose count."""

    def swallow(self, side: Side, *frames: bytes) -> None:
        try:
            side.receive(*frames)
        except ProtocolError:
            pass
        check(side)

    def sides(self) -> list[Side]:
        agent = Side(streamsMax=4, undeliveredMax=3_000, takes=100, window=20_000)
        agent.receive(openFrame(1), openFrame(3))
        gateway = Side(opens=True, undeliveredMax=3_000, takes=100, window=20_000)
        gateway.open()
        gateway.open()
        return [agent, gateway]

    @given(st.lists(st.one_of(VALID, ODD, st.builds(openFrame, ANY_ID)), max_size=25))
    def test_frames(self, frames: list[bytes]) -> None:
        """Any frames in any order, allowed or not, also after the mistake that ended the link."""
        for side in self.sides():
            for frame in frames:
                self.swallow(side, frame)
            for kind, _, _ in side.take():
                self.assertIn(kind, set(Kind))

    @given(st.binary(max_size=300))
    def test_bytes(self, data: bytes) -> None:
        """Any bytes."""
        for side in self.sides():
            self.swallow(side, data)

    @given(st.lists(st.tuples(st.integers(0, 255), ANY_ID, st.integers(0, 65_535)), max_size=10), st.binary())
    def test_headers(self, headers: list[tuple[int, int, int]], data: bytes) -> None:
        """Any header before any bytes."""
        for side in self.sides():
            self.swallow(side, *(HEADER.pack(*header) + data for header in headers))
