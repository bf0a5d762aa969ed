"""Two muxes and everything between and behind them, against a model of plain byte queues.

A scheduler moves output in arbitrary pieces, links block and unblock, endpoints take part of what they get and the
rest later, streams begin and end in all ways, at random. What must come of it: every byte in order and once, each end
after the last byte, credit never overrun, nobody starved, nothing left behind, never more kept than a window.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused
from diglett.wire.frames import Kind, Reason
from diglett.wire.opening import Opening
from diglett.wire.outbox import NO_ROOM
from diglett.wire.windows import WINDOW_CAP
from tests.wire.playing import Endpoint, Side, check

WINDOW = 16_384
STREAMS = 6


def letters(start: int, size: int) -> bytes:
    """Bytes of a stream from this position on: each tells where it stands, modulo a prime."""
    return bytes((start + at) % 251 for at in range(size)) if size < 251 else _LETTERS[start % 251 :][:size]


_LETTERS = bytes(at % 251 for at in range(400_000))


class Source:
    """Who sends into one direction of a stream: so many bytes as fast as it is let, then perhaps an end."""

    def __init__(self, side: Peer, end: Any) -> None:
        self.side = side
        self.end = end
        self.position = 0
        """Bytes sent so far."""
        self.wanted = 0
        """Bytes to be sent in all."""
        self.finishing = False
        self.finished = False
        end.resume = self.push

    def readInto(self, view: memoryview) -> int:
        """Receive what fits, as from a socket."""
        size = min(len(view), self.wanted - self.position)
        view[:size] = letters(self.position, size)
        return size

    def push(self) -> None:
        """Send what is there, as a connection does that is readable."""
        mux, stream = self.side.mux, self.end.stream
        while self.position < self.wanted:
            size = mux.pull(stream, self)
            if size == NO_ROOM:
                return
            self.position += size
        if self.finishing and not self.finished:
            self.finished = True
            mux.finish(stream)


class Peer(Side):
    """A side whose socket takes `room` bytes, then blocks, and whose bytes travel when the scheduler says."""

    def __init__(self, **options: Any) -> None:
        super().__init__(window=WINDOW, peerWindow=WINDOW, takes=0, **options)
        self.room: int | None = None
        self.left = b""
        self.mux.growth.roundTrip = 1.0

    def flush(self) -> None:
        before = len(self.sent)
        super().flush()
        if self.room is not None:
            self.room = max(0, self.room - (len(self.sent) - before))
            if not self.room and not self.mux.blocked:
                self.mux.block()


class TwoMuxes(RuleBasedStateMachine):
    """The model: for each stream and direction, who sends what."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = Peer(opens=True, peerStreams=STREAMS)
        self.agent: Any = Peer(streamsMax=STREAMS)
        self.other: dict[Peer, Peer] = {self.gateway: self.agent, self.agent: self.gateway}
        self.sources: dict[tuple[Peer, int], Source] = {}
        self.aborted: set[int] = set()
        self.draining = False
        self.count = 0
        accept = self.agent.accept

        def accepted(stream: Any, opening: Opening) -> Endpoint:
            end = accept(stream, opening)
            self.sources[self.agent, stream.id] = Source(self.agent, end)
            assert opening == Opening(1, 0, f"visitor {stream.id}")
            return end

        self.agent.accept = accepted

    # ---- what happens --------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.draining)
    @rule()
    def open(self) -> None:
        self.count += 1
        id = 2 * self.count - 1
        try:
            end = self.gateway.open(Opening(1, 0, f"visitor {id}"))
        except Refused:
            self.count -= 1
            assert len(self.gateway.mux.streams) == STREAMS
            return
        assert end.stream.id == id
        self.sources[self.gateway, id] = Source(self.gateway, end)

    @precondition(lambda self: self.sources)
    @rule(which=st.integers(0, 1_000), size=st.sampled_from([1, 100, 5_000, WINDOW, 60_000]))
    def send(self, which: int, size: int) -> None:
        source = self.source(which)
        if not source.finishing:
            source.wanted = min(source.wanted + size, 390_000)
            source.push()

    @precondition(lambda self: self.sources)
    @rule(which=st.integers(0, 1_000))
    def finish(self, which: int) -> None:
        source = self.source(which)
        source.finishing = True
        source.push()

    @precondition(lambda self: self.sources)
    @rule(which=st.integers(0, 1_000), reason=st.sampled_from([Reason.NONE, Reason.RESET]))
    def close(self, which: int, reason: Reason) -> None:
        source = self.source(which)
        stream = source.end.stream
        if source.side.mux.streams.get(stream.id) is stream:
            self.aborted.add(stream.id)
        source.side.mux.close(stream, reason)
        source.end.queued = 0
        source.finishing = source.finished = True
        source.wanted = source.position

    @precondition(lambda self: self.sources)
    @rule(which=st.integers(0, 1_000), size=st.integers(1, 40_000))
    def drainEndpoint(self, which: int, size: int) -> None:
        self.source(which).end.drain(size)

    @rule(gateways=st.booleans(), size=st.integers(1, 20) | st.integers(1_000, 150_000))
    def move(self, gateways: bool, size: int) -> None:
        """So many bytes arrive at the other side."""
        side = self.gateway if gateways else self.agent
        side.flush()
        piece = bytes(side.sent[:size])
        del side.sent[:size]
        other = self.other[side]
        data = other.left + piece
        other.left = data[other.mux.receive(memoryview(data)) :]

    @rule(gateways=st.booleans(), room=st.integers(0, 100_000))
    def block(self, gateways: bool, room: int) -> None:
        """The socket takes so many bytes more, then none."""
        side = self.gateway if gateways else self.agent
        side.room = room
        side.flush()

    @rule(gateways=st.booleans())
    def unblock(self, gateways: bool) -> None:
        self.release(self.gateway if gateways else self.agent)

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        """Time goes by: windows may grow or not."""
        self.gateway.now += seconds
        self.agent.now += seconds

    @precondition(lambda self: self.count > 2)
    @rule(gateways=st.booleans())
    def drain(self, gateways: bool) -> None:
        """No more streams; those that are on their way are refused."""
        self.draining = True
        (self.gateway if gateways else self.agent).mux.drain()

    @rule(gateways=st.booleans())
    def ping(self, gateways: bool) -> None:
        (self.gateway if gateways else self.agent).mux.ping(b"12345678")

    # ---- what is always true -------------------------------------------------------------------------------------

    @invariant()
    def counts(self) -> None:
        check(self.gateway)
        check(self.agent)

    @invariant()
    def bytesInOrder(self) -> None:
        for (side, id), source in self.sources.items():
            far = self.sources.get((self.other[side], id))
            if far is None:
                continue
            heard = far.end.heard
            assert len(heard) <= source.position
            assert heard == letters(0, len(heard)), "other bytes, or in another order"
            if far.end.ended:
                assert source.finished and len(heard) == source.wanted, "an end before the last byte"

    @invariant()
    def bounded(self) -> None:
        for side in self.other:
            for end in side.records:
                assert end.queued <= end.stream.window <= WINDOW_CAP
                if end.ending is not None:
                    if self.draining and side is self.gateway and end.ending == (Reason.REFUSED, ""):
                        self.aborted.add(end.stream.id)
                    assert end.stream.id in self.aborted, f"closed by nobody: {end.ending}"

    # ---- the end -------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Let everybody finish: all that was promised must arrive, and nothing may be left."""
        for source in list(self.sources.values()):
            source.finishing = True
        for turn in range(400):
            for side in (self.gateway, self.agent):
                side.room = None
                self.release(side)
                self.move(side is self.gateway, 1 << 20)
            for source in list(self.sources.values()):
                source.finishing = True
                source.end.drain()
                if not turn and source.end.stream.id not in self.aborted:
                    source.push()  # from now on only `resume` may wake it
            if not any(side.mux.streams or side.mux.output() or side.sent for side in self.other):
                break
        self.counts()
        self.bytesInOrder()
        self.bounded()
        for (side, id), source in self.sources.items():
            if id in self.aborted:
                continue
            far = self.sources[self.other[side], id]
            assert source.finished and source.position == source.wanted, "somebody starved"
            assert far.end.ended and len(far.end.heard) == source.wanted, "something is missing"
        for side in self.other:
            assert side.mux.streams == {} and side.mux.undelivered == 0
            assert not side.mux._waiting and not side.sent and not side.left

    # ---- helpers -------------------------------------------------------------------------------------------------

    def source(self, which: int) -> Source:
        sources = list(self.sources.values())
        return sources[which % len(sources)]

    def release(self, side: Peer) -> None:
        """The socket takes bytes again."""
        side.room = None
        if side.mux.blocked:
            side.mux.unblock()
        side.flush()


class ModelTests(SynchronousTestCase):
    """The model as a test."""

    def test_model(self) -> None:
        """Whatever happens in whatever order, two muxes carry bytes as plain queues would."""
        run_state_machine_as_test(TwoMuxes, settings=settings(stateful_step_count=60, deadline=None))

    def test_long(self) -> None:
        """So they do over long lives, in which many streams come and go and windows grow."""
        for seed in range(4):
            model = TwoMuxes()
            random = Random(seed)
            for step in range(2_500):
                self.act(model, random)
                model.wait(0.01)
                if not step % 10:
                    model.counts()
                    model.bytesInOrder()
                    model.bounded()
                self.unburden(model)
            grown = sum(end.stream.window > WINDOW for side in model.other for end in side.records)
            model.teardown()
            self.assertGreater(model.count, 20)
            self.assertGreater(grown, 5)

    def act(self, model: TwoMuxes, random: Random) -> None:
        """One thing happens."""
        whom = random.random() < 0.5
        which = random.randrange(1_000)
        act = random.choices(range(8), (5, 25, 5, 1, 30, 40, 4, 8))[0]
        if act == 0:
            model.open()
        elif not model.sources:
            return
        elif act == 1:
            model.send(which, random.choice([1, 100, 5_000, 60_000]))
        elif act == 2:
            model.finish(which)
        elif act == 3:
            model.close(which, Reason.RESET)
        elif act == 4:
            model.drainEndpoint(which, random.choice([100, 10_000, 40_000]))
        elif act == 5:
            model.move(whom, random.choice([1, 20, 3_000, 150_000]))
        elif act == 6:
            model.block(whom, random.choice([0, 1_000, 100_000]))
        else:
            model.unblock(whom)

    def unburden(self, model: TwoMuxes) -> None:
        """Turn to streams that live: the oldest who are over on both sides are looked at once and forgotten."""
        for id in [id for side, id in model.sources if side is model.gateway]:
            near, far = model.sources[model.gateway, id], model.sources.get((model.agent, id))
            if far is None or id in model.gateway.mux.streams or id in model.agent.mux.streams:
                continue
            if near.end.queued or far.end.queued:
                continue
            if id not in model.aborted:
                self.assertEqual((bytes(far.end.heard), far.end.ended), (letters(0, near.wanted), True))
                self.assertEqual((bytes(near.end.heard), near.end.ended), (letters(0, far.wanted), True))
            del model.sources[model.gateway, id], model.sources[model.agent, id]

    def test_letters(self) -> None:
        """The model's own bytes are right: any part of a stream is the same however it is asked for."""
        self.assertEqual(letters(10, 300)[:100], letters(10, 100))
        self.assertEqual(letters(250, 3), b"\xfa\0\1")
        self.assertEqual((Kind.PAYLOAD, len(letters(300_000, 65_529))), (4, 65_529))
