"""Credit, windows and turns: `docs/wire.md`, sections 7 and 8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.wire.frames import CREDIT_MAX, PAYLOAD_MAX, Kind, Reason, encodeFrame
from diglett.wire.outbox import NO_ROOM
from diglett.wire.windows import WINDOW_CAP
from tests.wire.playing import Frames, Reading, Side, check, room
from tests.wire.test_mux_streams import finish, openFrame, payload

WINDOW = 65_536


def credit(id: int, size: int) -> bytes:
    return encodeFrame(Kind.WINDOW, id, size.to_bytes(4, "big"))


def granted(frames: Frames) -> list[tuple[int, int]]:
    return [(id, int.from_bytes(payload, "big")) for kind, id, payload in frames if kind == Kind.WINDOW]


class ReceivingTests(SynchronousTestCase):
    """The credit that we grant."""

    def setUp(self) -> None:
        self.side = Side(window=WINDOW, takes=0)
        self.side.receive(openFrame(1))
        self.end = self.side.endpoints[1]

    def test_delivery(self) -> None:
        """Receiving returns no credit, delivering does: when half of the window is owed, and not a byte before."""
        self.side.receive(payload(1, bytes(WINDOW - 7)))
        self.assertEqual(self.side.take(), [])
        self.end.drain(WINDOW // 2 - 1)
        self.assertEqual(self.side.take(), [])
        self.end.drain(1)
        self.assertEqual(granted(self.side.take()), [(1, WINDOW // 2)])
        self.end.drain()
        self.assertEqual(self.side.take(), [])
        check(self.side)

    def test_allAtOnce(self) -> None:
        """What was delivered at once is returned at once."""
        self.side.receive(payload(1, bytes(60_000)))
        self.end.drain()
        self.assertEqual(granted(self.side.take()), [(1, 60_000)])

    def test_exact(self) -> None:
        """All that was granted may be used, to the last byte."""
        self.side.receive(payload(1, bytes(PAYLOAD_MAX)), payload(1, bytes(7)))
        self.assertEqual((self.side.closes(), len(self.end.heard)), ([], WINDOW))
        check(self.side)

    def test_overrun(self) -> None:
        """One byte more ends the stream, not the link."""
        self.side.receive(openFrame(3), payload(1, bytes(PAYLOAD_MAX)), payload(1, bytes(7)))
        self.side.receive(payload(1, b"x"), payload(1, b"more"), payload(3, b"fine"))
        self.assertEqual(self.side.closes(), [(1, Reason.CREDIT)])
        self.assertEqual((self.end.ending[0], self.side.endpoints[3].heard), (Reason.CREDIT, b"fine"))
        self.assertEqual((self.side.mux.undelivered, list(self.side.mux.streams)), (4, [3]))
        check(self.side)

    def test_overrunInOnePiece(self) -> None:
        """The same when all of it comes at once."""
        self.side.receive(payload(1, bytes(PAYLOAD_MAX)), payload(1, bytes(PAYLOAD_MAX)))
        self.assertEqual(self.side.closes(), [(1, Reason.CREDIT)])
        check(self.side)

    def test_noCreditAfterFinish(self) -> None:
        """Who has finished needs no credit."""
        self.side.receive(payload(1, bytes(60_000)), finish(1))
        self.end.drain()
        self.assertEqual(self.side.take(), [])
        check(self.side)

    def test_tooMuchDelivered(self) -> None:
        """An endpoint cannot return credit for what was given up, or twice."""
        self.side.receive(payload(1, bytes(1_000)))
        self.side.mux.delivered(self.end.stream, 1_000)
        self.side.mux.delivered(self.end.stream, 60_000)
        self.assertEqual((self.side.mux.undelivered, self.side.take()), (0, []))
        self.side.receive(payload(1, bytes(500)))
        self.side.mux.abandon(self.end.stream)
        self.side.mux.delivered(self.end.stream, 500)
        self.assertEqual(self.side.mux.undelivered, 0)

    def test_deliveredInParts(self) -> None:
        """What it takes at once, and what it reports later, add up to what came."""
        for taken in (0, 1, 99, 100):
            self.end.takes = taken
            self.side.receive(payload(1, bytes(100)))
            self.assertEqual(self.side.mux.undelivered, 100 - taken)
            self.end.drain()
            self.assertEqual(self.side.mux.undelivered, 0)
        self.assertEqual(self.end.stream.owed, 400)

    def test_closedWhileDelivered(self) -> None:
        """An endpoint that closes its stream on what comes gets no credit for that, whatever it says then or later."""
        for size in (100, PAYLOAD_MAX):
            for said in (0, size // 2, size):
                side = Side(window=WINDOW)
                side.receive(openFrame(1))
                end = side.endpoints[1]

                def deliver(parts: Sequence[memoryview], size: int, said: int = said, end: Any = end) -> int:
                    end.mux.close(end.stream)
                    return said

                end.deliver = deliver
                side.receive(payload(1, bytes(size)), payload(1, b"late"))
                side.mux.delivered(end.stream, size)
                self.assertEqual((side.mux.undelivered, side.mux.streams), (0, {}))
                self.assertEqual([kind for kind, _, _ in side.take()], [Kind.CLOSE])
                check(side)

    def test_empty(self) -> None:
        """A Payload without payload has no meaning: endpoints never see it, alone, amid others or after Finish."""
        self.side.receive(payload(1, b""), payload(1, b"a"), payload(1, b""), payload(1, b"b"), payload(1, b""))
        self.assertEqual((self.end.heard, self.end.stream.undelivered), (b"ab", 2))
        self.side.receive(finish(1), payload(1, b""), payload(99, b""))
        self.assertEqual((self.side.take(), list(self.side.mux.streams)), ([], [1]))

    def test_emptyFlood(self) -> None:
        """Any number of them costs nothing."""
        calls: list[int] = []
        deliver = self.end.deliver

        def count(parts: Sequence[memoryview], size: int) -> int:
            calls.append(len(parts))
            return int(deliver(parts, size))

        self.end.deliver = count
        self.side.receive(payload(1, b"") * 10_000, payload(1, b"x"))
        self.assertEqual(calls, [1])

    @given(
        st.integers(16_384, 100_000),
        st.lists(st.tuples(st.integers(1, 40_000), st.integers(1_000, 40_000)), min_size=1, max_size=20),
    )
    def test_neverStalls(self, window: int, sizes: list[tuple[int, int]]) -> None:
        """A sender that uses all its credit, and a reader that takes what is there, never wait for each other."""
        side = Side(window=window, takes=0)
        side.receive(openFrame(1))
        end = side.endpoints[1]
        have = window
        for sent, drained in sizes:
            while have:
                step = min(have, sent)
                side.receive(payload(1, bytes(step)))
                have -= step
            while end.queued:
                end.drain(drained)
                check(side)
            have += sum(more for _, more in granted(side.take()))
            self.assertGreater(have, window // 2 - 1)
        self.assertIsNone(end.ending)


class SendingTests(SynchronousTestCase):
    """The credit that we have."""

    def setUp(self) -> None:
        self.side = Side(opens=True, peerWindow=WINDOW)
        self.end = self.side.open()
        self.side.take()

    def test_bound(self) -> None:
        """Nothing is sent beyond the peer's window; Window opens it by as much as it says."""
        mux, stream = self.side.mux, self.end.stream
        self.assertEqual(mux.write(stream, bytes(100_000)), WINDOW)
        self.assertEqual(mux.write(stream, b"x"), 0)
        self.side.receive(credit(1, 10))
        self.assertEqual(self.end.resumed, 1)
        self.assertEqual(mux.write(stream, bytes(100)), 10)
        sent = sum(len(payload) for kind, _, payload in self.side.take() if kind == Kind.PAYLOAD)
        self.assertEqual(sent, WINDOW + 10)

    def test_resumedOnce(self) -> None:
        """Only who was refused is resumed, and once for each time."""
        self.side.receive(credit(1, 1), credit(1, 1))
        self.assertEqual(self.end.resumed, 0)
        self.side.mux.write(self.end.stream, bytes(100_000))
        self.side.receive(credit(1, 1), credit(1, 1))
        self.assertEqual(self.end.resumed, 1)

    def test_most(self) -> None:
        """Credit of 2^31-1 is the most that a stream can have; one more breaks it, not the link."""
        self.side.receive(credit(1, CREDIT_MAX - WINDOW))
        self.assertEqual((self.end.stream.credit, self.side.closes()), (CREDIT_MAX, []))
        check(self.side)
        self.side.receive(credit(1, 1))
        self.assertEqual(self.side.closes(), [(1, Reason.PROTOCOL)])
        self.assertEqual(self.end.ending[0], Reason.PROTOCOL)
        check(self.side)

    def test_mostAtOnce(self) -> None:
        """The same with the largest number that Window can hold."""
        self.side.receive(credit(1, 2**32 - 1))
        self.assertEqual(self.side.closes(), [(1, Reason.PROTOCOL)])

    def test_afterFinish(self) -> None:
        """Credit for what we have finished is ignored, however much."""
        self.side.mux.finish(self.end.stream)
        self.side.receive(credit(1, 2**32 - 1))
        self.assertEqual((self.side.mux.ignored, self.end.ending, self.end.stream.credit), (1, None, 0))

    def test_onlyPayload(self) -> None:
        """Nothing but Payload needs credit."""
        mux = self.side.mux
        mux.write(self.end.stream, bytes(100_000))
        self.side.take()
        mux.ping(b"12345678")
        mux.finish(self.end.stream)
        other = self.side.open()
        mux.close(other.stream)
        self.assertEqual([kind for kind, _, _ in self.side.take()], [Kind.PING, Kind.FINISH, Kind.OPEN, Kind.CLOSE])

    def test_starvedWhileBlocked(self) -> None:
        """Credit that comes while the link is blocked is used when it is not."""
        mux = self.side.mux
        self.end.resume = lambda: mux.write(self.end.stream, b"x")
        mux.write(self.end.stream, bytes(100_000))
        self.side.take()
        mux.block()
        self.side.receive(credit(1, 10))
        mux.unblock()
        self.assertEqual(self.side.take(), [(Kind.PAYLOAD, 1, b"x")])


class GrowthTests(SynchronousTestCase):
    """Windows that were the bottleneck grow."""

    def setUp(self) -> None:
        self.side = Side(window=WINDOW)
        self.side.mux.growth.roundTrip = 0.1

    def pump(self, id: int, total: int, pace: float) -> int:
        """Send so many bytes, half a window every `pace` seconds; how much credit came back."""
        back = 0
        stream = self.side.endpoints[id].stream
        while total > 0:
            self.side.now += pace
            half = min(total, -(-stream.window // 2))
            total -= half
            while half:
                step = min(half, 60_000)
                self.side.receive(payload(id, bytes(step)))
                half -= step
            back += sum(more for _, more in granted(self.side.take()))
            check(self.side)
        return back

    def test_fast(self) -> None:
        """A fast reader's window doubles up to its cap, and what is granted beyond is what it has grown by."""
        self.side.receive(openFrame(1))
        stream = self.side.endpoints[1].stream
        back = self.pump(1, 64 * 1_048_576, 0.1)
        self.assertEqual(stream.window, WINDOW_CAP)
        self.assertEqual(back, 64 * 1_048_576 - stream.owed + WINDOW_CAP - WINDOW)

    def test_slow(self) -> None:
        """A slow one's does not grow."""
        self.side.receive(openFrame(1))
        self.pump(1, 1_048_576, 0.25)
        self.assertEqual(self.side.endpoints[1].stream.window, WINDOW)

    def test_unmeasured(self) -> None:
        """Nor does any before the round trip is known."""
        self.side.mux.growth.roundTrip = 0.0
        self.side.receive(openFrame(1))
        self.pump(1, 1_048_576, 0.0)
        self.assertEqual(self.side.endpoints[1].stream.window, WINDOW)

    def test_sum(self) -> None:
        """All together grow by 64 MiB at the most, and what ended streams had is there for others."""
        ids = range(1, 21, 2)
        for id in ids:
            self.side.receive(openFrame(id))
            self.pump(id, 20 * 1_048_576, 0.1)
        windows = [self.side.endpoints[id].stream.window for id in ids]
        self.assertEqual(sum(windows) - len(ids) * WINDOW, 64 * 1_048_576)
        self.assertEqual(windows[-1], WINDOW)
        self.side.mux.close(self.side.endpoints[1].stream)
        self.pump(19, 1_048_576, 0.1)
        self.assertGreater(self.side.endpoints[19].stream.window, WINDOW)

    def test_clock(self) -> None:
        """A stream's time begins when it is opened, on either side."""
        gateway = Side(opens=True, window=WINDOW)
        gateway.mux.growth.roundTrip = 0.1
        gateway.now = self.side.now = 1_000.0
        gateway.open()
        self.side.receive(openFrame(1))
        for side in (gateway, self.side):
            side.now += 0.1
            side.receive(payload(1, bytes(WINDOW // 2)))
            self.assertEqual(side.endpoints[1].stream.window, 2 * WINDOW)

    def test_pause(self) -> None:
        """A stream that was idle between does not count as slow or fast for longer than one step."""
        self.side.receive(openFrame(1))
        self.side.now += 100
        self.pump(1, WINDOW // 2, 0.0)
        self.assertEqual(self.side.endpoints[1].stream.window, WINDOW)
        self.pump(1, WINDOW // 2, 0.1)
        self.assertEqual(self.side.endpoints[1].stream.window, 2 * WINDOW)


class UndeliveredTests(SynchronousTestCase):
    """What a link keeps for all its streams together."""

    def setUp(self) -> None:
        self.side = Side(window=WINDOW, undeliveredMax=100_000, takes=0)
        self.side.receive(*(openFrame(id) for id in (1, 3, 5)))

    def test_worst(self) -> None:
        """Beyond the cap the stream that keeps most is closed, and the others go on."""
        self.side.receive(payload(1, bytes(30_000)), payload(3, bytes(50_000)), payload(5, bytes(20_000)))
        self.assertEqual(self.side.closes(), [])
        self.side.receive(payload(5, b"x"))
        self.assertEqual(self.side.closes(), [(3, Reason.BUFFER)])
        self.assertEqual(self.side.endpoints[3].ending[0], Reason.BUFFER)
        self.assertEqual((self.side.mux.undelivered, list(self.side.mux.streams)), (50_001, [1, 5]))
        check(self.side)

    def test_stalled(self) -> None:
        """Who has kept less, but for long, goes before a reader that is behind for a moment."""
        one, three = self.side.endpoints[1], self.side.endpoints[3]
        self.side.receive(payload(1, bytes(30_000)))
        for _ in range(3):
            self.side.now += 10.0
            self.side.receive(payload(3, bytes(40_000)))
            three.drain()
        self.side.now += 0.1
        self.side.receive(payload(3, bytes(60_000)), payload(5, bytes(10_001)))
        self.assertEqual(self.side.closes(), [(1, Reason.BUFFER)])
        self.assertEqual((one.ending[0], three.ending), (Reason.BUFFER, None))
        check(self.side)

    def test_delivered(self) -> None:
        """What was delivered does not count."""
        for _ in range(20):
            for id in (1, 3, 5):
                self.side.receive(payload(id, bytes(30_000)))
                self.side.endpoints[id].drain()
        self.assertEqual((self.side.closes(), self.side.mux.undelivered), ([], 0))

    def test_overAndKept(self) -> None:
        """Bytes of streams that are over count until they are written; when only they are left, nobody is closed."""
        for id in (1, 3):
            self.side.receive(payload(id, bytes(50_000)), finish(id))
            self.side.mux.finish(self.side.endpoints[id].stream)
        self.side.take()
        five = self.side.endpoints[5]
        five.deliver = lambda parts, size: self.side.mux.close(five.stream) or 0
        self.side.receive(payload(5, b"x"))
        self.assertEqual(self.side.closes(), [(5, Reason.NONE)])
        self.side.receive(openFrame(7), openFrame(9))
        self.side.endpoints[7].takes = None
        self.side.receive(payload(7, b"fine"))
        self.assertEqual(self.side.closes(), [])
        self.side.receive(payload(9, b"x"))
        self.assertEqual(self.side.closes(), [(9, Reason.BUFFER)])
        self.side.endpoints[1].drain()
        self.side.endpoints[3].drain()
        self.assertEqual(self.side.mux.undelivered, 0)


class TurnTests(SynchronousTestCase):
    """Streams with data to send take turns."""

    def test_fair(self) -> None:
        """On a link that takes a batch at a time, everybody's share is the same, whatever it has to send."""
        side: Any = Side(opens=True, peerWindow=16_777_216)
        ends = [side.open() for _ in range(8)]
        shares = dict.fromkeys((end.stream.id for end in ends), 0)
        side.take()
        mux = side.mux

        def flush() -> None:
            if not mux.blocked:
                Side.flush(side)
                mux.block()

        side.flush = flush

        def resume(id: int) -> None:
            while (size := mux.pull(mux.streams[id], Reading(PAYLOAD_MAX))) != NO_ROOM:
                shares[id] += size

        for end in ends:
            end.resume = lambda id=end.stream.id: resume(id)
        mux.block()
        for end in ends:
            self.assertIsNone(room(mux, end.stream))
        for _ in range(8 * 5):
            mux.unblock()
            self.assertLess(len(side.sent), 70_000, "more than one batch is under way")
            side.sent.clear()
        self.assertEqual(set(shares.values()), {5 * PAYLOAD_MAX})

    def test_pingFirst(self) -> None:
        """Ping, Window, Close and Drain do not wait for the payload of others."""
        side = Side(opens=True, window=WINDOW)
        one, two = side.open(), side.open()
        side.take()
        side.mux.block()
        self.assertIsNone(room(side.mux, one.stream))
        one.resume = lambda: side.mux.write(one.stream, bytes(100_000))
        side.mux.ping(b"12345678")
        side.receive(payload(1, bytes(WINDOW // 2)), encodeFrame(Kind.PING, 0, b"87654321"))
        side.mux.close(two.stream, Reason.RESET)
        side.mux.drain()
        side.mux.unblock()
        kinds = [kind for kind, _, _ in side.take()]
        self.assertEqual(kinds, [Kind.PING, Kind.WINDOW, Kind.PONG, Kind.CLOSE, Kind.DRAIN, Kind.PAYLOAD, Kind.PAYLOAD])
