"""The poller: fair turns, batches, adaptive polling, and what a bug can do."""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.plane import poller as pollerModule
from diglett.plane.poller import TURN, Poller, pollingPays
from diglett.plane.readiness import IN
from tests.plane.recorder import Recorder
from tests.plane.test_sockets import ClockReactor, PollerTestCase


class TurnTests(PollerTestCase):
    """Nobody waits for ever."""

    def many(self, count: int) -> tuple[list[Recorder], list[socket.socket]]:
        recorders, peers = [], []
        for _ in range(count):
            recorders.append(self.channel(socket.socketpair, room=1))
            peers.append(self.peer)
        return recorders, peers

    def test_oneReadEach(self) -> None:
        """In a batch every channel gets one read, however much there is for one of them."""
        recorders, peers = self.many(3)
        for peer in peers:
            peer.send(b"x" * 100)
        order: list[int] = []
        for index, recorder in enumerate(recorders):
            recorder.onRead = lambda index=index: order.append(index)
        self.turn()
        self.assertEqual(len(order), 300)
        for batch in range(100):
            self.assertEqual(sorted(order[batch * 3 : batch * 3 + 3]), [0, 1, 2])

    def test_turnEnds(self) -> None:
        """A turn ends when it has taken long enough, so that timers and others get theirs; the rest comes next."""
        now = [0.0]
        self.patch(pollerModule, "perf_counter", lambda: now[0])
        recorders, peers = self.many(2)

        def slow() -> None:
            now[0] += TURN / 10

        for recorder, peer in zip(recorders, peers, strict=True):
            recorder.onRead = slow
            peer.send(b"x" * 100)
        self.poller.doRead()
        self.assertIn(sum(len(each.received) for each in recorders), range(9, 13))
        self.turn(30)
        self.assertEqual([len(each.received) for each in recorders], [100, 100])

    def test_againKeepsTheTurn(self) -> None:
        """Work that always asks for more ends its turn as well, and goes on in the next."""
        now = [0.0]
        self.patch(pollerModule, "perf_counter", lambda: now[0])
        runs = 0

        def work() -> None:
            nonlocal runs
            runs += 1
            now[0] += TURN / 4
            self.poller.again(work)

        self.poller.again(work)
        self.poller.doRead()
        self.assertLessEqual(runs, 6)
        (call,) = self.reactor.getDelayedCalls()
        self.assertEqual(call.getTime(), self.reactor.seconds())

    def test_batchEnd(self) -> None:
        """What is due at the end of a batch runs once, behind all reads of that batch, also when it adds to itself."""
        recorders, peers = self.many(3)
        order: list[str] = []

        def read() -> None:
            order.append("read")
            if "asked" not in order:
                order.append("asked")
                self.poller.atBatchEnd(end)

        def end() -> None:
            order.append("end")
            self.poller.atBatchEnd(lambda: order.append("after"))

        for recorder, peer in zip(recorders, peers, strict=True):
            recorder.onRead = read
            peer.send(b"x")
        self.poller.doRead()
        self.assertEqual([each for each in order if each != "asked"], ["read"] * 3 + ["end", "after"])

    def test_outsideOfABatch(self) -> None:
        """It also runs when nothing else happens."""
        called: list[int] = []
        self.poller.atBatchEnd(lambda: called.append(1))
        self.assertEqual(called, [])
        self.reactor.advance(0)
        self.assertEqual(called, [1])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_notNested(self) -> None:
        """A turn within a turn is none."""
        (recorder,), (peer,) = self.many(1)
        depth: list[int] = []

        def read() -> None:
            depth.append(1)
            self.poller.doRead()
            self.assertEqual(len(depth), len(recorder.received))

        recorder.onRead = read
        peer.send(b"xyz")
        self.turn()
        self.assertEqual(bytes(recorder.received), b"xyz")

    def test_closedInABatch(self) -> None:
        """A channel that another one has closed in the same batch is not called any more."""
        (one, two), peers = self.many(2)
        one.onRead = two.abort
        two.onRead = one.abort
        for peer in peers:
            peer.send(b"x")
        self.turn()
        self.assertEqual(len(one.received) + len(two.received), 1)
        self.assertEqual(one.late + two.late, [])

    def test_reusedDescriptor(self) -> None:
        """What an old socket was ready for is not told to a new one that got its number in the same batch."""
        one = self.channel(socket.socketpair, room=1)
        peer = self.peer
        events: list[str] = []

        class New:
            def __init__(self, fd: int) -> None:
                self.fd, self.mask, self.owner = fd, -1, self

            def readable(self) -> None:
                events.append("readable")

            def writable(self) -> None:
                events.append("writable")

            def hungUp(self) -> None:
                events.append("hungUp")

            def drop(self) -> None: ...

        two = self.channel(socket.socketpair, room=1)
        number = two.channel.fd
        kept: list[Any] = []

        def replace() -> None:
            two.abort()
            fresh, other = socket.socketpair()
            kept.extend((fresh, other))
            if fresh.fileno() != number:
                os.dup2(fresh.fileno(), number)
                self.addCleanup(os.close, number)
            new = New(number)
            kept.append(new)
            self.poller.watch(new, IN)

        one.onRead = replace
        two.onRead = lambda: self.fail("the test needs the other order")
        # epoll reports in the order in which they became ready
        peer.send(b"x")
        self.peer.send(b"x")
        self.peer.close()
        self.poller.doRead()
        self.assertEqual(events, [])
        self.poller.forget(kept[2])
        for each in kept[:2]:
            each.close()


class BugTests(PollerTestCase):
    """A bug in one connection does not hurt the others."""

    def test_readable(self) -> None:
        """It is logged, the connection is reset, its owner hears that it is broken, and the turn goes on."""
        one = self.channel()
        onePeer = self.peer
        two = self.channel()
        one.onRead = lambda: print(1 // 0)
        onePeer.send(b"x")
        self.peer.send(b"y")
        self.turn()
        self.assertEqual((one.events, bytes(two.received)), (["broken"], b"y"))
        self.assertRaises(ConnectionResetError, onePeer.recv, 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_broken(self) -> None:
        """Even when its owner cannot take that."""
        one = self.channel()
        one.onRead = lambda: print(1 // 0)
        one.broken = lambda error: print([][0])  # type: ignore[method-assign]
        self.peer.send(b"x")
        self.turn()
        self.assertEqual(one.channel.fd, -1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)

    def test_drained(self) -> None:
        """The same when it is told that something was sent."""
        one = self.channel()
        one.drained = lambda size: print(1 // 0)  # type: ignore[method-assign]
        while not one.channel.queued:
            one.write(b"x" * 65_536)
        self.peer.setblocking(False)
        for _ in range(20):
            try:
                while self.peer.recv(65_536):
                    pass
            except (BlockingIOError, ConnectionResetError):
                pass
            self.turn()
        self.assertEqual((one.events, one.channel.fd), (["broken"], -1))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ScriptedReadiness:
    """A readiness that answers each poll with what the script says, then with nothing."""

    def __init__(self) -> None:
        self.script: deque[list[tuple[int, int]]] = deque()
        self.polls = 0

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        self.polls += 1
        return self.script.popleft() if self.script else []

    def register(self, fd: int, mask: int) -> None: ...

    modify = register

    def unregister(self, fd: int) -> None: ...

    def close(self) -> None: ...

    def fileno(self) -> int:
        return 99


class SpinTests(SynchronousTestCase):
    """After a batch the poller keeps asking for a while, as long as that pays."""

    def setUp(self) -> None:
        self.now = 0.0
        self.patch(pollerModule, "perf_counter", self.time)
        self.readiness = ScriptedReadiness()
        self.poller = Poller(ClockReactor(), spin=0.0001, readiness=self.readiness)

    def time(self) -> float:
        self.now += 0.00001
        return self.now

    def turn(self, *script: list[tuple[int, int]]) -> int:
        """One turn with these answers; how often was asked."""
        self.readiness.script.extend(script)
        before = self.readiness.polls
        self.poller.doRead()
        return self.readiness.polls - before

    EVENT = [(5, IN)]

    def test_spins(self) -> None:
        """It asks several times before it goes to sleep."""
        self.assertGreater(self.turn(self.EVENT), 5)

    def test_stops(self) -> None:
        """When nothing ever came in time it sleeps at once, and tries again only now and then."""
        for _ in range(10):
            self.turn(self.EVENT)
        asked = [self.turn(self.EVENT) for _ in range(64)]
        self.assertEqual(len([each for each in asked if each > 3]), 4)

    def test_goesOn(self) -> None:
        """As long as something comes while it asks it goes on doing that."""
        asked = [self.turn(self.EVENT, [], [], self.EVENT) for _ in range(50)]
        self.assertGreater(min(asked), 8)

    def test_turnEndsWhilePolling(self) -> None:
        """Others get their turn while polling pays, and then it goes on: a sleep would make the next event late."""
        reactor = ClockReactor()
        self.poller = Poller(reactor, spin=0.0001, readiness=self.readiness)
        self.assertLess(self.turn(*[self.EVENT, []] * 1000), 2000)
        self.readiness.script.clear()
        before = self.readiness.polls
        reactor.advance(0)
        self.assertGreater(self.readiness.polls - before, 3)
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_idle(self) -> None:
        """A turn for nothing asks once."""
        self.assertEqual(self.turn(), 1)

    def test_off(self) -> None:
        """It can be turned off, and is on a machine with one core."""
        self.patch(os, "environ", dict(os.environ, DIGLETT_POLL="off"))
        self.assertFalse(pollingPays())
        os.environ["DIGLETT_POLL"] = "adaptive"
        self.patch(os, "sched_getaffinity", lambda pid: {0})
        self.assertFalse(pollingPays())
        self.patch(os, "sched_getaffinity", lambda pid: {0, 1})
        self.assertTrue(pollingPays())
