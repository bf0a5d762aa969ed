"""The bandwidth of an account: what it may move, who waits, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.link.metered import BURST, Allowance, Metered
from diglett.plane.channel import WOULD_BLOCK

RATE = 1_000_000


class Wire:
    """A channel with an endless supply, that takes everything. `reading` is whether it would call its owner."""

    peer = ("192.0.2.1", 1)

    def __init__(self) -> None:
        self.reading = False
        self.queued = 0
        self.sent = 0
        self.over = ""

    def readInto(self, view: memoryview) -> int:
        return len(view)

    def write(self, parts: Sequence[bytes], size: int) -> int:
        self.sent += size
        return size

    def pauseReading(self) -> None:
        self.reading = False

    def resumeReading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.over = "closed"

    def abort(self) -> None:
        self.over = "aborted"


class Reader:
    """A link: reads when it may, and counts; `waits` is whether it has heard that its channel is busy."""

    def __init__(self, allowance: Allowance, rate: int | None, size: int = 50_000) -> None:
        self.wire = Wire()
        self.rate = rate
        self.channel = Metered(self.wire, allowance, lambda: self.rate)  # type: ignore[arg-type]
        self.channel.owner = self
        self.room = memoryview(bytearray(size))
        self.moved = 0
        self.freed = 0
        self.brokenBy: Exception | None = None
        self.channel.resumeReading()

    def run(self) -> None:
        """All that can be read at this moment; a limit, or it would not end."""
        for _ in range(1000):
            if not self.wire.reading:
                return
            self.wire.owner.readable()

    def readable(self) -> None:
        size = self.channel.readInto(self.room)
        if size != WOULD_BLOCK:
            self.moved += size

    def drained(self, size: int) -> None:
        self.freed += not self.channel.queued

    def broken(self, error: Exception) -> None:
        self.brokenBy = error


class MeteredTests(SynchronousTestCase):
    """`Metered` channels that share an `Allowance`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.allowance = Allowance(self.clock)

    def pass_(self, seconds: float, *readers: Reader) -> None:
        """Time passes, and everybody reads all they can."""
        for _ in range(round(seconds * 100)):
            for reader in readers:
                reader.run()
            self.clock.advance(0.01)

    def near(self, value: float, expected: float, delta: float) -> None:
        """Not further from it than this."""
        self.assertTrue(abs(value - expected) <= delta, f"{value} is not {expected}")

    def test_rate(self) -> None:
        """As much is read as the rate allows, and no more than a moment's worth at once."""
        reader = Reader(self.allowance, RATE)
        reader.run()
        self.assertLessEqual(reader.moved, RATE * BURST + len(reader.room))
        self.pass_(10, reader)
        self.near(reader.moved, 10 * RATE, RATE * BURST + len(reader.room))

    def test_written(self) -> None:
        """What is written counts as well: the link is told that its channel is busy until there is no debt."""
        reader = Reader(self.allowance, RATE)
        reader.channel.pauseReading()
        self.assertEqual(reader.channel.write([b""], RATE), RATE)
        self.assertTrue(reader.channel.queued)
        self.pass_(0.85)
        self.assertEqual((reader.freed, bool(reader.channel.queued)), (0, True))
        self.pass_(0.1)
        self.assertEqual((reader.freed, bool(reader.channel.queued)), (1, False))

    def test_shared(self) -> None:
        """Several links share what their account may, evenly."""
        readers = [Reader(self.allowance, RATE) for _ in range(4)]
        self.pass_(10, *readers)
        self.near(sum(reader.moved for reader in readers), 10 * RATE, 0.5 * RATE)
        for reader in readers:
            self.near(reader.moved, 2.5 * RATE, 0.3 * RATE)

    def test_changed(self) -> None:
        """Another limit counts from the next byte on, and so does none."""
        reader = Reader(self.allowance, RATE)
        self.pass_(1, reader)
        before, reader.rate = reader.moved, 10 * RATE
        self.pass_(1, reader)
        self.near(reader.moved - before, 10 * RATE, 1.5 * RATE)
        before, reader.rate = reader.moved, None
        self.pass_(1, reader)
        self.assertGreater(reader.moved - before, 100 * RATE)

    def test_ends(self) -> None:
        """Who ends waits no more, and leaves no timer; the end of what is below is passed on."""
        for end in ("close", "abort"):
            reader = Reader(self.allowance, RATE)
            reader.run()
            getattr(reader.channel, end)()
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.clock.advance(10)
        reader = Reader(self.allowance, RATE)
        reader.run()
        reader.wire.owner.broken(OSError())
        self.assertIsInstance(reader.brokenBy, OSError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_paused(self) -> None:
        """A link that does not want to read is not made to."""
        reader = Reader(self.allowance, RATE)
        reader.run()
        reader.channel.pauseReading()
        self.clock.advance(10)
        self.assertFalse(reader.wire.reading)
        reader.channel.resumeReading()
        self.assertTrue(reader.wire.reading)

    @given(st.lists(st.tuples(st.integers(1, 300_000), st.floats(0, 2)), min_size=1, max_size=30))
    def test_never(self, steps: list[tuple[int, float]]) -> None:
        """Whatever is spent and whenever: after its debt's time it goes on, and never sooner."""
        clock = Clock()
        allowance = Allowance(clock)
        reader = Reader(allowance, RATE)
        moved, began = 0, clock.seconds()
        for size, pause in steps:
            if not reader.channel.queued:
                reader.channel.write([b""], size)
                moved += size
            clock.advance(pause)
            allowed = (clock.seconds() - began) * RATE + RATE * BURST + size
            self.assertLessEqual(moved, allowed + 300_000)
        clock.advance(1 + 300_000 / RATE)
        self.assertFalse(reader.channel.queued)
