"""What every channel promises, whatever carries it; `tests.plane.test_channels` runs it over each kind."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from tests.plane.recorder import Recorder
from tests.plane.rigs import Rig

ODD = (1, 7, 1000, 4096, 16_384, 16_385, 65_529, 100_003)
"""Sizes of single writes: bytes, whole TLS records and whatever is beside them."""


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes that tell where they belong."""
    block = bytes((index * 31 + seed) % 251 for index in range(251 * 8))
    return (block * (size // len(block) + 1))[:size]


class ChannelConformance:
    """Mixed into a TestCase that has `makeRig`."""

    def makeRig(self) -> Rig:
        raise NotImplementedError

    def setUp(self) -> None:
        self.rig = self.makeRig()
        self.recorders: list[Recorder] = []
        self.addCleanup(self.rig.close)  # type: ignore[attr-defined]

    def tearDown(self) -> None:
        """Nobody was told anything after its end, and nothing was counted twice."""
        for recorder in self.recorders:
            self.assertEqual(recorder.late, [])
            self.assertLessEqual(recorder.sent + recorder.gone, recorder.written)
            self.assertLessEqual(len([each for each in recorder.events if each != "end"]), 1)

    async def pair(self, **settings: Any) -> tuple[Recorder, Recorder]:
        """Two connected channels, each with a recorder that reads."""
        here, there = await self.rig.pair()
        recorders = Recorder(here, **settings), Recorder(there, **settings)
        self.recorders += recorders
        for recorder in recorders:
            recorder.channel.resumeReading()
        return recorders

    def until(self, condition: Callable[[], Any], what: str) -> Awaitable[None]:
        return self.rig.until(condition, what)

    # ---- bytes ---------------------------------------------------------------------------------------------------

    async def test_oneWay(self) -> None:
        """What is written arrives, whole and in order."""
        here, there = await self.pair()
        here.write(b"hello ", b"world")
        await self.until(lambda: there.received == b"hello world", "the words")
        self.assertEqual(here.events, [])

    async def test_bothWays(self) -> None:
        """Both directions work at the same time."""
        here, there = await self.pair()
        here.write(pattern(50_000, 1))
        there.write(pattern(60_000, 2))
        await self.until(lambda: len(there.received) == 50_000 and len(here.received) == 60_000, "both")
        self.assertEqual(bytes(there.received), pattern(50_000, 1))
        self.assertEqual(bytes(here.received), pattern(60_000, 2))

    async def test_startsPaused(self) -> None:
        """A new channel says nothing until it is told to read, and forgets nothing meanwhile."""
        channel, other = await self.rig.pair()
        here, there = Recorder(channel), Recorder(other)
        here.write(b"early")
        await self.rig.settle()
        self.assertEqual(there.calls, 0)
        there.channel.resumeReading()
        await self.until(lambda: there.received == b"early", "what was sent early")

    async def test_oddSizes(self) -> None:
        """Pieces of any size arrive as the same bytes, whatever room the reader has."""
        for room in (1_021, 16_384, 65_529):
            here, there = await self.pair(room=room)
            sent = b""
            for index, size in enumerate(ODD):
                piece = pattern(size, index)
                half = size // 2
                here.write(piece[:half], memoryview(piece)[half:])
                sent += piece
            await self.until(lambda: len(there.received) >= len(sent), f"{len(sent)} bytes in pieces")
            self.assertEqual(bytes(there.received), sent)

    async def test_manyParts(self) -> None:
        """A write may have more parts than the system takes in one call."""
        here, there = await self.pair()
        parts = [pattern(11, index) for index in range(3_000)]
        here.write(*parts)
        await self.until(lambda: len(there.received) >= 33_000, "3000 parts")
        self.assertEqual(bytes(there.received), b"".join(parts))

    async def test_large(self) -> None:
        """Megabytes arrive unharmed while the writer waits whenever something is queued."""
        here, there = await self.pair(room=30_011)
        total = self.rig.large
        digest = hashlib.sha256()
        left = total
        while left:
            piece = pattern(min(left, 131_072), left)
            digest.update(piece)
            left -= len(piece)
            here.write(piece)
            await self.until(lambda: not here.channel.queued, "room in the channel")
        await self.until(lambda: len(there.received) >= total, f"{total} bytes")
        self.assertEqual(hashlib.sha256(there.received).digest(), digest.digest())
        self.assertEqual(here.sent + here.gone, total)

    # ---- back-pressure -------------------------------------------------------------------------------------------

    async def stall(self, here: Recorder, limit: int = 64 * 1_048_576) -> int:
        """Write until nothing goes out any more; how much was written."""
        written = 0
        while not here.channel.queued:
            if written > limit:
                raise AssertionError("a paused reader does not hold up the writer")
            here.write(pattern(131_072, written))
            written += 131_072
            await self.rig.settle()
        return written

    async def test_backPressure(self) -> None:
        """When the other side does not read, what is written is queued; it is all there when it reads again."""
        here, there = await self.pair()
        there.channel.pauseReading()
        written = await self.stall(here)
        self.assertEqual(len(there.received), 0)
        self.assertGreater(here.channel.queued, 0)
        there.channel.resumeReading()
        await self.until(lambda: len(there.received) == written, "everything")
        await self.until(lambda: not here.channel.queued, "an empty queue")
        self.assertEqual(here.sent + here.gone, written)

    async def test_draining(self) -> None:
        """Every byte is either sent at once or drained later, and only once; while queueing nothing is sent."""
        here, there = await self.pair()
        there.channel.pauseReading()
        written = await self.stall(here)
        self.assertEqual(here.write(b"x" * 1_000), 0)
        written += 1_000
        self.assertLessEqual(here.sent + here.gone, written)
        there.channel.resumeReading()
        await self.until(lambda: here.sent + here.gone == written, "every byte to be accounted for")
        await self.until(lambda: len(there.received) == written, "every byte to arrive")
        self.assertEqual(here.channel.queued, 0)

    async def test_pause(self) -> None:
        """A paused reader is left alone at once, a resumed one hears of what came meanwhile."""
        here, there = await self.pair(room=10)
        there.onRead = lambda: there.channel.pauseReading()
        here.write(b"0123456789abcdefghij")
        await self.until(lambda: there.received, "the first ten")
        await self.rig.settle()
        self.assertEqual(bytes(there.received), b"0123456789")
        there.channel.resumeReading()
        await self.until(lambda: len(there.received) == 20, "the others")

    async def test_resumeTwice(self) -> None:
        """Pausing and resuming many times in a row neither loses nor repeats anything."""
        here, there = await self.pair()
        for _ in range(20):
            there.channel.pauseReading()
            there.channel.resumeReading()
            there.channel.resumeReading()
        here.write(b"once")
        await self.until(lambda: there.received, "the word")
        await self.rig.settle()
        self.assertEqual(bytes(there.received), b"once")
        self.assertEqual(there.events, [])

    # ---- ends ----------------------------------------------------------------------------------------------------

    async def test_finish(self) -> None:
        """A finished side can go on reading, and the other on writing."""
        here, there = await self.pair()
        here.write(b"question")
        here.channel.finish()
        await self.until(lambda: there.events == ["end"], "the end")
        self.assertEqual(bytes(there.received), b"question")
        there.write(pattern(200_000))
        there.channel.finish()
        await self.until(lambda: here.events == ["end"], "the other end")
        self.assertEqual(bytes(here.received), pattern(200_000))
        await self.rig.settle()
        self.assertEqual((here.events, there.events), (["end"], ["end"]))

    async def test_finishQueued(self) -> None:
        """The end comes after everything that was queued before it."""
        here, there = await self.pair()
        there.channel.pauseReading()
        written = await self.stall(here)
        here.channel.finish()
        here.channel.finish()
        there.channel.resumeReading()
        await self.until(lambda: there.events, "the end")
        self.assertEqual((there.events, len(there.received)), (["end"], written))
        await self.until(lambda: here.sent + here.gone == written, "every byte to be accounted for")

    async def test_close(self) -> None:
        """Closing loses nothing of what was written, and the one who closed hears nothing any more."""
        here, there = await self.pair()
        there.channel.pauseReading()
        written = await self.stall(here)
        here.close()
        await self.rig.settle()
        there.channel.resumeReading()
        await self.until(lambda: there.events, "the end")
        self.assertEqual((there.events, len(there.received)), (["end"], written))
        there.close()

    async def test_closeUnread(self) -> None:
        """Bytes that nobody has read at a closing side do not destroy those on their way to the other."""
        here, there = await self.pair()
        here.channel.pauseReading()
        there.write(pattern(20_000))
        await self.rig.settle()
        here.write(pattern(20_000, 5))
        here.close()
        await self.until(lambda: there.events, "the end")
        self.assertEqual((there.events, bytes(there.received)), (["end"], pattern(20_000, 5)))

    async def test_closeQueuedWhileSpokenTo(self) -> None:
        """Nor do those that still come while the rest of the queue goes out, of which the owner hears nothing."""
        here, there = await self.pair()
        there.channel.pauseReading()
        written = await self.stall(here)
        here.close()
        there.write(pattern(40_000))
        there.channel.finish()
        await self.rig.settle()
        there.channel.resumeReading()
        await self.until(lambda: there.events, "the end")
        self.assertEqual((there.events, len(there.received)), (["end"], written))

    async def test_abort(self) -> None:
        """An aborted connection breaks at the other side, once; nobody takes it for an orderly end."""
        here, there = await self.pair()
        here.write(b"before")
        await self.until(lambda: there.received, "a word")
        here.abort()
        await self.until(lambda: there.events, "the end")
        await self.rig.settle()
        self.assertEqual(there.events, ["broken"] if self.rig.resets else ["end"])

    async def test_abortPaused(self) -> None:
        """A side that does not read learns of it at the latest when it reads or writes again."""
        here, there = await self.pair()
        there.channel.pauseReading()
        here.abort()
        await self.rig.settle()
        if not there.events:
            there.channel.resumeReading()
        await self.until(lambda: there.events, "the end")
        self.assertEqual(there.events, ["broken"] if self.rig.resets else ["end"])

    async def test_abortQueue(self) -> None:
        """Aborting does not wait for the queue, and leaves none."""
        here, there = await self.pair()
        there.channel.pauseReading()
        await self.stall(here)
        here.abort()
        self.assertEqual(here.channel.queued, 0)
        await self.rig.settle()
        there.channel.resumeReading()
        await self.until(lambda: there.events, "the end")

    async def test_endOnce(self) -> None:
        """The end is told once, and writing after it still works."""
        here, there = await self.pair()
        there.channel.finish()
        await self.until(lambda: here.events, "the end")
        here.channel.resumeReading()
        await self.rig.settle()
        self.assertEqual(here.events, ["end"])
        here.write(b"still here")
        await self.until(lambda: there.received == b"still here", "the words")

    async def test_endIsNoReset(self) -> None:
        """A peer that closes in an orderly way has ended, not broken, even if we never finish."""
        here, there = await self.pair()
        there.write(b"bye")
        there.close()
        await self.until(lambda: here.events, "the end")
        await self.rig.settle()
        self.assertEqual((bytes(here.received), here.events), (b"bye", ["end"]))

    async def test_endWhilePaused(self) -> None:
        """What a peer wrote before it closed is there for whoever was paused all the time."""
        here, there = await self.pair()
        here.channel.pauseReading()
        there.write(pattern(3_000))
        there.close()
        await self.rig.settle()
        self.assertEqual(here.calls, 0)
        here.channel.resumeReading()
        await self.until(lambda: here.events, "the end")
        self.assertEqual((bytes(here.received), here.events), (pattern(3_000), ["end"]))

    async def test_endInSteps(self) -> None:
        """Whoever reads in small steps gets everything before the end."""
        for room in (100, 16_384, 65_536):
            here, there = await self.pair(room=room)
            there.write(pattern(150_000))
            there.close()
            await self.until(lambda: here.events, "the end")
            self.assertEqual((len(here.received), here.events), (150_000, ["end"]))

    async def test_vanished(self) -> None:
        """Writing to a peer that is gone breaks the channel once, and never raises."""
        here, there = await self.pair()
        there.abort()
        for _ in range(50):
            if here.events and here.events[-1] == "broken":
                break
            here.write(b"anybody?" * 100)
            await self.rig.settle()
        await self.until(lambda: "broken" in here.events, "the break")
        await self.rig.settle()
        self.assertEqual(here.events.count("broken"), 1)

    async def test_silenceAfterClose(self) -> None:
        """After `close` and `abort` the owner hears nothing, whatever the other side does; calls are harmless."""
        for end in ("close", "abort"):
            here, there = await self.pair()
            there.write(b"x" * 1_000)
            getattr(here, end)()
            there.write(b"y" * 1_000)
            there.close()
            await self.rig.settle()
            channel = here.channel
            channel.pauseReading()
            channel.resumeReading()
            self.assertEqual(channel.write((b"z",), 1), 0)
            channel.finish()
            channel.close()
            channel.abort()
            channel.abort()
            await self.rig.settle()
            self.assertEqual(here.late, [], end)

    async def test_closeInRead(self) -> None:
        """An owner may close or abort from within a call."""
        for end in ("close", "abort"):
            here, there = await self.pair(room=10)
            there.onRead = getattr(there, end)
            here.write(b"0123456789more")
            await self.until(lambda: there.over, "the reading")
            await self.until(lambda: here.events, "the end")
            self.assertEqual((there.late, bytes(there.received)), ([], b"0123456789"))

    async def test_writeInRead(self) -> None:
        """An echo works: writing from within a call."""
        here, there = await self.pair()
        there.onRead = lambda: there.write(bytes(there.received[there.written :]))
        here.write(pattern(100_000))
        await self.until(lambda: len(here.received) == 100_000, "the echo")
        self.assertEqual(bytes(here.received), pattern(100_000))

    async def test_owners(self) -> None:
        """Another owner may take over between two bytes, and misses nothing."""
        here, there = await self.pair(room=5)
        there.onRead = lambda: there.channel.pauseReading()
        here.write(b"firstsecond")
        await self.until(lambda: there.received, "the first")
        heir = Recorder(there.channel)
        there.channel.resumeReading()
        await self.until(lambda: heir.received == b"second", "the second")
        self.assertEqual(bytes(there.received), b"first")

    async def test_addresses(self) -> None:
        """Each side knows its own address and the other's."""
        here, there = await self.pair()
        if self.rig.addressed:
            self.assertEqual(here.channel.peer[:2], there.channel.localAddress()[:2])
            self.assertEqual(there.channel.peer[:2], here.channel.localAddress()[:2])
        else:
            self.assertIsInstance(here.channel.peer, str)
