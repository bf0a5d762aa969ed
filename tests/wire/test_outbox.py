"""The sending half of a link: batches, turns, the queue of control frames and its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.wire.batch import BATCH_SIZE, FLUSH_AT, BatchPool
from diglett.wire.frames import HEADER_SIZE, PAYLOAD_MAX, Kind, encodeFrame
from diglett.wire.outbox import CONTROL_QUEUE_MAX, NO_ROOM, Outbox
from diglett.wire.stream import Stream
from tests.wire.playing import Reading, parse, room

PING = encodeFrame(Kind.PING, 0, b"12345678")


class Sender(Outbox):
    """An outbox that remembers whom it resumed, on a socket that takes `room` bytes until it is told otherwise."""

    def __init__(self, pool: BatchPool | None = None) -> None:
        super().__init__(self, pool if pool is not None else BatchPool())
        self.pool = self._pool
        self.resumed: list[int] = []
        self.sent = bytearray()
        self.announced = 0
        self.flushed = 0
        self.full = False
        self.onResume = lambda stream: None

    def outputReady(self) -> None:
        self.announced += 1

    def flush(self) -> None:
        if self.blocked:
            return
        self.flushed += 1
        for part in self.output():
            self.sent += part
        self.outputTaken()
        if self.full:
            self.block()

    def _resume(self, stream: Stream) -> None:
        self.resumed.append(stream.id)
        self.onResume(stream)

    def put(self, stream: Stream, size: int) -> int:
        """Receive so many bytes for this stream, as far as there is room; how many that was."""
        return self.pull(stream, Reading(size, stream.id))


def stream(id: int, credit: int = 1 << 30) -> Stream:
    return Stream(id, None, credit, 262_144)


class BatchTests(SynchronousTestCase):
    """What stands in a batch, and when it goes."""

    def setUp(self) -> None:
        self.sender = Sender()
        self.one, self.two = stream(1), stream(3)

    def test_inPlace(self) -> None:
        """Payload is received right behind the space of its header, and control frames keep their place between."""
        self.sender.put(self.one, 3)
        self.sender.append(PING)
        self.sender.put(self.two, 2)
        self.sender.flush()
        self.assertEqual(
            parse(self.sender.sent),
            [(Kind.PAYLOAD, 1, b"\1\1\1"), (Kind.PING, 0, b"12345678"), (Kind.PAYLOAD, 3, b"\3\3")],
        )

    def test_announcedOnce(self) -> None:
        """The carrier hears of output once until it has taken it."""
        for _ in range(3):
            self.sender.put(self.one, 1)
            self.sender.append(PING)
        self.assertEqual(self.sender.announced, 1)
        self.sender.flush()
        self.sender.append(PING)
        self.assertEqual(self.sender.announced, 2)

    def test_nothing(self) -> None:
        """Without output there is nothing to write."""
        self.assertEqual(self.sender.output(), [])

    def test_credit(self) -> None:
        """There is never room for more than the stream has credit, and what is sent is subtracted."""
        poor = stream(5, credit=10)
        self.assertEqual(room(self.sender, poor), 10)
        self.sender.put(poor, 4)
        self.assertEqual(poor.credit, 6)
        self.sender.put(poor, 100)
        self.assertEqual((poor.credit, self.sender.put(poor, 1), poor.starved), (0, NO_ROOM, True))

    def test_largest(self) -> None:
        """A frame's payload is at most what a frame can hold."""
        self.assertEqual(room(self.sender, self.one), PAYLOAD_MAX)

    def test_uncommitted(self) -> None:
        """Nothing is sent when nothing was put into the room."""
        room(self.sender, self.one)
        self.sender.put(self.two, 1)
        self.sender.flush()
        self.assertEqual(parse(self.sender.sent), [(Kind.PAYLOAD, 3, b"\3")])

    def test_full(self) -> None:
        """A batch that is full goes at once, whatever filled it."""
        self.sender.put(self.one, PAYLOAD_MAX)
        self.assertEqual(self.sender.flushed, 1)
        self.sender.put(self.one, PAYLOAD_MAX - 100)
        self.assertEqual(self.sender.flushed, 1)
        while self.sender.flushed < 2:
            self.sender.append(PING)
        self.sender.flush()
        self.assertLess(max(map(len, self.sender.output()), default=0), FLUSH_AT)

    @given(st.lists(st.one_of(st.integers(0, 70_000), st.just(-1)), max_size=60))
    def test_room(self, steps: list[int]) -> None:
        """Whatever stands in the batch, there is always room for a whole payload: an empty room would read as the end
        of a connection."""
        sender = Sender()
        sent = b""
        for size in steps:
            if size < 0:
                sender.append(PING * 800)
                sent += PING * 800
            self.assertEqual(room(sender, self.one), PAYLOAD_MAX)
            if size > 0:
                size = sender.put(self.one, size)
                sent += encodeFrame(Kind.PAYLOAD, 1, b"\1" * size)
        sender.flush()
        self.assertEqual(bytes(sender.sent), sent)

    def test_write(self) -> None:
        """Bytes that are at hand are copied in, as many as credit and frames allow."""
        rich = stream(7, credit=200_000)
        data = bytes(range(256)) * 1_000
        self.assertEqual(self.sender.write(rich, data), 200_000)
        self.sender.flush()
        frames = parse(self.sender.sent)
        self.assertEqual(b"".join(payload for _, _, payload in frames), data[:200_000])
        self.assertEqual([len(payload) for _, _, payload in frames], [65_529, 65_529, 65_529, 3_413])
        self.assertTrue(rich.starved)

    def test_writeNothing(self) -> None:
        """Nothing written is nothing sent."""
        self.assertEqual(self.sender.write(self.one, b""), 0)
        self.assertEqual(self.sender.output(), [])


class PoolTests(SynchronousTestCase):
    """Buffers are for those who send."""

    def setUp(self) -> None:
        self.pool = BatchPool(keep=2)

    def test_sizes(self) -> None:
        """A batch that is not yet full has room for a whole frame more."""
        self.assertEqual(len(self.pool.acquire().buffer), BATCH_SIZE)
        self.assertGreaterEqual(BATCH_SIZE, FLUSH_AT + HEADER_SIZE + PAYLOAD_MAX)

    def test_keeps(self) -> None:
        """A few are kept for whoever sends next, the others are given back to the system."""
        batches = [self.pool.acquire() for _ in range(4)]
        self.assertEqual(len({id(batch) for batch in batches}), 4)
        for batch in batches:
            self.pool.release(batch)
        again = {id(self.pool.acquire()) for _ in range(4)}
        self.assertEqual(len(again & {id(batch) for batch in batches}), 2)

    def test_idle(self) -> None:
        """A link that has sent what it had holds none, nor does one that asked for room and had nothing to put in."""
        senders = [Sender(self.pool) for _ in range(50)]
        for sender in senders:
            sender.put(stream(1), 10)
            sender.flush()
            self.assertIsNotNone(room(sender, stream(1)))
        self.assertEqual({sender._batch for sender in senders}, {None})
        self.assertEqual(len(self.pool._free), 1, "they took turns with one")

    def test_shared(self) -> None:
        """Links that send at the same time do not write over each other, whoever asked for room first."""
        one, two = Sender(self.pool), Sender(self.pool)
        room(one, stream(1))
        two.put(stream(3), 5)
        one.put(stream(1), 4)
        two.put(stream(3), 3)
        one.flush()
        two.flush()
        self.assertEqual(parse(one.sent), [(Kind.PAYLOAD, 1, b"\1" * 4)])
        self.assertEqual(parse(two.sent), [(Kind.PAYLOAD, 3, b"\3" * 5), (Kind.PAYLOAD, 3, b"\3" * 3)])


class BlockedTests(SynchronousTestCase):
    """While what was given out has not gone."""

    def setUp(self) -> None:
        self.sender = Sender()
        self.sender.block()
        self.streams = [stream(id) for id in (1, 3, 5)]

    def test_nobody(self) -> None:
        """Nobody is given room, and those who asked are resumed in their order, each once."""
        for each in (*self.streams, *self.streams):
            self.assertIsNone(room(self.sender, each))
        self.sender.unblock()
        self.assertEqual(self.sender.resumed, [1, 3, 5])
        self.sender.block()
        self.sender.unblock()
        self.assertEqual(self.sender.resumed, [1, 3, 5])

    def test_turns(self) -> None:
        """When the link blocks again the others keep their turn, and who was served stands behind them."""
        for each in self.streams:
            room(self.sender, each)
        self.sender.full = True

        def greedy(each: Stream) -> None:
            for _ in range(4):
                self.sender.put(each, PAYLOAD_MAX)

        self.sender.onResume = greedy
        for _ in range(6):
            self.sender.unblock()
        self.assertEqual(self.sender.resumed, [1, 3, 5, 1, 3, 5])

    def test_control(self) -> None:
        """Control frames that come up meanwhile go first, in their order, before any payload."""
        self.sender.append(encodeFrame(Kind.OPEN, 1, b"\0\1\0\0"))
        self.sender.append(PING)
        self.sender.unblock()
        self.sender.put(self.streams[0], 1)
        self.sender.append(encodeFrame(Kind.FINISH, 1))
        self.sender.flush()
        kinds = [kind for kind, _, _ in parse(self.sender.sent)]
        self.assertEqual(kinds, [Kind.OPEN, Kind.PING, Kind.PAYLOAD, Kind.FINISH])

    def test_controlOnce(self) -> None:
        """What was queued goes out once."""
        self.sender.append(PING)
        self.sender.unblock()
        self.sender.flush()
        self.sender.flush()
        self.assertEqual(bytes(self.sender.sent), PING)

    def test_starved(self) -> None:
        """Who has no credit does not stand in the queue for room."""
        poor = stream(9, credit=0)
        self.assertIsNone(room(self.sender, poor))
        self.sender.unblock()
        self.assertEqual((self.sender.resumed, poor.starved), ([], True))

    def test_bound(self) -> None:
        """A mebibyte of control frames is kept; one more and the link is given up: nothing is kept, nothing is sent."""
        for _ in range(CONTROL_QUEUE_MAX // len(PING)):
            self.sender.append(PING)
        self.assertFalse(self.sender.overflowed)
        for _ in range(1_000):
            self.sender.append(PING)
        self.assertTrue(self.sender.overflowed)
        self.sender.unblock()
        self.sender.flush()
        self.assertEqual((bytes(self.sender.sent), self.sender.put(self.streams[0], 1)), (b"", NO_ROOM))
        self.assertEqual(self.sender.output(), [])
