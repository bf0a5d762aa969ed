"""Lives of streams: `docs/wire.md`, sections 5 and 6, and drain of section 8."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused
from diglett.wire.frames import CONTROL_MAX, ID_MAX, Kind, Reason, Way, encodeClose, encodeFrame
from diglett.wire.opening import Opening
from tests.wire.playing import PlannedBug, Side, check, room

ENDED = "the link is over"
OPENING = Opening(1, Way.HTTPS, "203.0.113.5 4711", "198.51.100.1 443")


def openFrame(id: int, registration: int = 1) -> bytes:
    return encodeFrame(Kind.OPEN, id, Opening(registration).encode())


def payload(id: int, data: bytes) -> bytes:
    return encodeFrame(Kind.PAYLOAD, id, data)


def finish(id: int) -> bytes:
    return encodeFrame(Kind.FINISH, id)


class OpeningTests(SynchronousTestCase):
    """The gateway's side of a beginning."""

    def setUp(self) -> None:
        self.gateway = Side(opens=True, peerStreams=3)

    def test_atOnce(self) -> None:
        """Open is sent at once, without the visitor's first byte."""
        self.gateway.open(OPENING)
        self.assertEqual(self.gateway.take(), [(Kind.OPEN, 1, OPENING.encode())])

    def test_ids(self) -> None:
        """Ids are odd and count up, also past streams that are over."""
        first = self.gateway.open()
        self.gateway.open()
        self.gateway.mux.close(first.stream)
        self.gateway.open()
        self.assertEqual([id for kind, id, _ in self.gateway.take() if kind == Kind.OPEN], [1, 3, 5])

    def test_wrap(self) -> None:
        """At the top they begin again, past those that are live."""
        side = Side(opens=True)
        for _ in range(2):
            side.open()
        side.mux._lastId = ID_MAX - 2
        ids = [side.open().stream.id for _ in range(3)]
        self.assertEqual(ids, [ID_MAX, 5, 7])
        check(side)

    def test_peersLimit(self) -> None:
        """The peer's limit of live streams is kept; refusing costs nothing, and an end makes room."""
        endpoints = [self.gateway.open() for _ in range(3)]
        self.gateway.take()
        for _ in range(1_000):
            error = self.assertRaises(Refused, self.gateway.mux.open, OPENING, endpoints[0])
            self.assertEqual((error.code, error.permanent), ("limit", False))
        self.assertEqual((self.gateway.take(), len(self.gateway.mux.streams)), ([], 3))
        self.gateway.mux.close(endpoints[0].stream)
        self.gateway.open()
        check(self.gateway)

    def test_ownLimit(self) -> None:
        """A peer that grants more streams than anybody needs does not make us keep them."""
        generous = Side(opens=True, peerStreams=2**31)
        for _ in range(10_000):
            generous.open()
        self.assertRaises(Refused, generous.open)

    def test_speaksAtOnce(self) -> None:
        """Both sides may send right behind Open."""
        endpoint = self.gateway.open()
        self.gateway.mux.write(endpoint.stream, b"hello")
        self.gateway.receive(payload(1, b"220 ready"))
        self.assertEqual(endpoint.heard, b"220 ready")
        self.assertEqual([kind for kind, _, _ in self.gateway.take()], [Kind.OPEN, Kind.PAYLOAD])

    def test_blockedOpen(self) -> None:
        """While the link is blocked, Open stays before everything of its stream."""
        self.gateway.mux.block()
        endpoint = self.gateway.open()
        self.assertIsNone(room(self.gateway.mux, endpoint.stream))
        other = self.gateway.open()
        self.gateway.mux.close(other.stream)
        self.gateway.mux.unblock()
        self.assertEqual(endpoint.resumed, 1)
        self.gateway.mux.write(endpoint.stream, b"x")
        kinds = [(kind, id) for kind, id, _ in self.gateway.take()]
        self.assertEqual(kinds, [(Kind.OPEN, 1), (Kind.OPEN, 3), (Kind.CLOSE, 3), (Kind.PAYLOAD, 1)])


class AcceptingTests(SynchronousTestCase):
    """The agent's side of a beginning."""

    def setUp(self) -> None:
        self.agent: Any = Side(streamsMax=3)

    def test_heard(self) -> None:
        """The driver hears what Open tells."""
        self.agent.receive(encodeFrame(Kind.OPEN, 1, OPENING.encode()))
        self.assertEqual((self.agent.calls, list(self.agent.mux.streams)), ([OPENING], [1]))
        self.assertEqual(self.agent.take(), [], "there is no answer to Open")

    def test_limit(self) -> None:
        """One stream too many is refused by its own Close; the link and the others go on."""
        self.agent.receive(*(openFrame(id) for id in (1, 3, 5, 7)))
        self.assertEqual(self.agent.closes(), [(7, Reason.REFUSED)])
        self.assertEqual(list(self.agent.mux.streams), [1, 3, 5])
        self.agent.receive(payload(7, b"late"), encodeClose(1, 0), openFrame(9))
        self.assertEqual((list(self.agent.mux.streams), self.agent.mux.ignored), ([3, 5, 9], 1))

    def test_manyOpens(self) -> None:
        """A hundred thousand Opens do not make anything grow."""
        limited = Side(streamsMax=100)
        refused = 0
        for start in range(1, 200_001, 2_000):
            limited.receive(b"".join(openFrame(id) for id in range(start, start + 2_000, 2)))
            refused += len(limited.closes())
        self.assertEqual((len(limited.mux.streams), len(limited.records), refused), (100, 100, 99_900))
        check(limited)

    def test_noEndpoint(self) -> None:
        """When taking it fails by a bug of ours, the stream is closed and the link goes on."""

        def accept(stream: Any, opening: Opening) -> None:
            raise PlannedBug

        self.agent.accept = accept
        self.agent.receive(openFrame(1), openFrame(3))
        self.assertEqual(self.agent.calls, [("failed", 1), ("failed", 3)])
        self.assertEqual(self.agent.closes(), [(1, Reason.INTERNAL), (3, Reason.INTERNAL)])
        check(self.agent)

    def test_refusedAtOnce(self) -> None:
        """Who takes streams may close one within the call; what comes for it is late then."""
        accept = self.agent.accept

        def refuse(stream: Any, opening: Opening) -> Any:
            endpoint = accept(stream, opening)
            self.agent.mux.close(stream, Reason.BACKEND_UNREACHABLE, "no such registration")
            return endpoint

        self.agent.accept = refuse
        self.agent.receive(openFrame(1), payload(1, b"x"), finish(1))
        self.assertEqual(self.agent.closes(), [(1, Reason.BACKEND_UNREACHABLE)])
        self.assertEqual((self.agent.mux.ignored, self.agent.records[0].heard), (2, b""))
        check(self.agent)

    def test_linkEndedAtOnce(self) -> None:
        """Who takes streams may end the link within the call: the endpoint it gives hears so, as all others do."""
        accept = self.agent.accept
        self.agent.receive(openFrame(1))

        def end(stream: Any, opening: Opening) -> Any:
            self.agent.mux.lost("enough")
            return accept(stream, opening)

        self.agent.accept = end
        self.agent.receive(openFrame(3), openFrame(5))
        self.assertEqual([each.ending for each in self.agent.records], [(Reason.LOST, "enough"), (Reason.LOST, ENDED)])
        self.assertEqual((self.agent.mux.streams, self.agent.calls[2:]), ({}, []))

    def test_replaced(self) -> None:
        """An endpoint put in place while the stream was being taken is not overwritten."""
        accept = self.agent.accept

        def atOnce(stream: Any, opening: Opening) -> Any:
            stream.endpoint = accept(stream, opening)
            return object()

        self.agent.accept = atOnce
        self.agent.receive(openFrame(1), payload(1, b"x"))
        self.assertEqual(self.agent.records[0].heard, b"x")


class EndTests(SynchronousTestCase):
    """Finish and Close."""

    def setUp(self) -> None:
        self.side: Any = Side()
        self.side.receive(openFrame(1))
        self.end = self.side.endpoints[1]

    def over(self) -> None:
        """Check that nothing of the stream is left."""
        self.assertEqual(self.side.mux.streams, {})
        self.assertEqual(self.side.mux.undelivered, 0)
        check(self.side)

    def test_theirsFirst(self) -> None:
        """After their Finish we may go on sending; after ours it is over."""
        self.side.receive(payload(1, b"all"), finish(1))
        self.assertEqual((self.end.heard, self.end.ended), (b"all", True))
        self.assertEqual(self.side.mux.write(self.end.stream, b"answer"), 6)
        self.side.mux.finish(self.end.stream)
        self.assertEqual(self.side.take(), [(Kind.PAYLOAD, 1, b"answer"), (Kind.FINISH, 1, b"")])
        self.assertIsNone(self.end.ending)
        self.over()

    def test_oursFirst(self) -> None:
        """After our Finish we go on hearing; after theirs it is over."""
        self.side.mux.finish(self.end.stream)
        self.side.receive(payload(1, b"answer"))
        self.assertFalse(self.end.ended)
        self.side.receive(finish(1))
        self.assertEqual((self.end.heard, self.end.ended, self.end.ending), (b"answer", True, None))
        self.over()

    def test_finishOnce(self) -> None:
        """We say it once, and send nothing behind it."""
        for _ in range(3):
            self.side.mux.finish(self.end.stream)
        self.assertEqual(self.side.mux.write(self.end.stream, b"too late"), 0)
        self.assertEqual(self.side.take(), [(Kind.FINISH, 1, b"")])

    def test_secondFinish(self) -> None:
        """Their second Finish is ignored and counted."""
        self.side.receive(finish(1), finish(1))
        self.assertEqual((self.end.ended, self.side.mux.ignored, len(self.side.mux.streams)), (True, 1, 1))
        check(self.side)

    def test_afterFinish(self) -> None:
        """Payload behind its sender's Finish breaks the stream, not the link."""
        self.side.receive(finish(1), payload(1, b"more"))
        self.assertEqual(self.side.closes(), [(1, Reason.PROTOCOL)])
        self.assertEqual((self.end.heard, self.end.ending[0]), (b"", Reason.PROTOCOL))
        self.over()

    def test_inOnePiece(self) -> None:
        """A whole life may come in one piece: all bytes are delivered, then the end, in this order."""
        self.side.receive(openFrame(3), payload(3, b"a"), payload(3, b"b"), finish(3))
        self.assertEqual((self.side.endpoints[3].heard, self.side.endpoints[3].ended), (b"ab", True))

    def test_theirClose(self) -> None:
        """Their Close ends both directions, says why, and is not answered."""
        self.side.receive(encodeClose(1, Reason.RESET, "by peer"))
        self.assertEqual((self.end.ending, self.side.take()), ((Reason.RESET, "by peer"), []))
        self.over()

    def test_emptyClose(self) -> None:
        """A Close without payload gives no reason."""
        self.side.receive(encodeClose(1, 0))
        self.assertEqual(self.end.ending, (Reason.NONE, ""))

    def test_discards(self) -> None:
        """What was received and not written is not waited for after their Close."""
        self.end.takes = 0
        self.side.receive(payload(1, bytes(1_000)))
        self.assertEqual(self.side.mux.undelivered, 1_000)
        self.side.receive(encodeClose(1, 0))
        self.over()

    def test_ourClose(self) -> None:
        """Our Close is sent once, the endpoint is not told what it did itself."""
        for _ in range(2):
            self.side.mux.close(self.end.stream, Reason.BACKEND_UNREACHABLE, "refused")
        self.assertEqual(
            self.side.take(), [(Kind.CLOSE, 1, b"\0\3refused")]
        )
        self.assertIsNone(self.end.ending)
        self.over()

    def test_allCodes(self) -> None:
        """Each code that we can say is heard as it was said, on the other side."""
        for reason in Reason:
            if reason >= 0:
                here, there = Side(opens=True), Side()
                opened = here.open()
                here.mux.close(opened.stream, reason, "why")
                there.receive(*(encodeFrame(*frame) for frame in here.take()))
                self.assertEqual(there.endpoints[1].ending, (reason, "why"))

    def test_late(self) -> None:
        """Everything for a stream that is over is ignored and counted, for one that never was, too."""
        self.side.mux.close(self.end.stream)
        self.side.take()
        credit = encodeFrame(Kind.WINDOW, 1, b"\0\0\0\1")
        for id in (1, 2, 0, 99, ID_MAX):
            before = self.side.mux.ignored
            moved = credit[:1] + id.to_bytes(4, "big") + credit[5:]
            self.side.receive(payload(id, b"x"), finish(id), encodeClose(id, 0), moved)
            self.assertEqual(self.side.mux.ignored - before, 4)
        self.assertEqual(self.side.take(), [])
        self.over()

    def test_lateFromUs(self) -> None:
        """What an endpoint still says of a stream that is over is not sent and changes nothing."""
        self.end.takes = 0
        self.side.receive(payload(1, bytes(1_000)), encodeClose(1, 0))
        stream = self.end.stream
        self.side.mux.delivered(stream, 1_000)
        self.side.mux.finish(stream)
        self.side.mux.close(stream)
        self.assertEqual((self.side.mux.write(stream, b"x"), room(self.side.mux, stream)), (0, None))
        self.side.mux.unblock()
        self.assertEqual((self.side.take(), self.end.resumed), ([], 0))
        self.over()

    def test_namesake(self) -> None:
        """What is said of a stream that is over does not touch another that has its id now."""
        self.side.receive(encodeClose(1, 0), openFrame(1))
        old, new = self.end, self.side.endpoints[1]
        self.assertIsNot(old, new)
        self.side.mux.finish(old.stream)
        self.side.mux.close(old.stream)
        self.side.mux.write(old.stream, b"x")
        self.assertEqual(self.side.take(), [])
        self.assertEqual((new.stream.finishedHere, len(self.side.mux.streams)), (False, 1))
        check(self.side)

    def test_deliveredAfterEnd(self) -> None:
        """Bytes that are written after both have finished are counted down, and no credit is returned."""
        self.end.takes = 0
        self.side.receive(*[payload(1, bytes(50_000))] * 4, finish(1))
        self.side.mux.finish(self.end.stream)
        self.side.take()
        self.assertEqual(self.side.mux.undelivered, 200_000)
        self.end.drain()
        self.assertEqual(self.side.take(), [])
        self.over()

    def test_bug(self) -> None:
        """An endpoint that raises loses its stream and nothing else, whatever it was told."""
        for name, frames in (
            ("deliver", [payload(3, b"x")]),
            ("finished", [finish(3)]),
            ("resume", [encodeFrame(Kind.WINDOW, 3, b"\0\0\0\1")]),
        ):
            side = Side()
            side.receive(openFrame(1), openFrame(3))
            broken = side.endpoints[3]
            broken.stream.starved = True

            def bug(*arguments: object) -> None:
                raise PlannedBug

            setattr(broken, name, bug)
            side.receive(*frames, payload(1, b"fine"))
            self.assertEqual(side.calls[2:], [("failed", 3)], name)
            self.assertEqual(side.closes(), [(3, Reason.INTERNAL)], name)
            self.assertEqual((list(side.mux.streams), side.endpoints[1].heard), ([1], b"fine"))
            check(side)

    def test_bugInTheEnd(self) -> None:
        """One that raises when it hears of its end is over all the same."""
        side = Side()
        side.receive(openFrame(1))
        side.endpoints[1].closed = None
        side.receive(encodeClose(1, 0))
        self.assertEqual((side.calls[1:], side.mux.streams, side.take()), ([("failed", 1)], {}, []))

    def test_longText(self) -> None:
        """The longest Close is understood by the other side."""
        self.side.mux.close(self.end.stream, Reason.RESET, "é" * 5_000)
        ((_, _, said),) = self.side.take()
        self.assertEqual(len(said), CONTROL_MAX)
        other = Side(opens=True)
        heard = other.open()
        other.receive(encodeFrame(Kind.CLOSE, 1, said))
        self.assertEqual(heard.ending, (Reason.RESET, "é" * 512))
