"""The streams of version 1: two words, no credit, no half-close, and no way to block the link."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, Refused
from diglett.wire.frames import ID_MAX, PAYLOAD_MAX, Kind, Reason, encodeFrame
from diglett.wire.mux import UNDELIVERED_MAX as LINK_MAX
from diglett.wire.opening import Opening
from diglett.wire.v1.mux import CROWDED, LINGER, LINGERING_MAX, REMEMBER, REMEMBERED_MAX, UNDELIVERED_MAX, V1Mux
from diglett.wire.v1.words import SILENT_HELLO, encodeError
from tests.wire.playing import Side
from tests.wire.v1.recorded import AGENT, GATEWAY

FULL = 0xFFFF
"""Payload of the largest frame."""


class V1Side(Side):
    """One end of a link of version 1."""

    mux: V1Mux

    def __init__(self, opens: bool, takes: int | None = None) -> None:
        super().__init__(opens=opens, takes=takes)
        hello = SILENT_HELLO
        self.mux = V1Mux(
            self, lambda: self.now, opens=opens, window=hello.window, peerWindow=hello.window, streamsMax=hello.streams
        )

    def relieved(self) -> None:
        self.calls.append("relieved")

    def later(self, seconds: float, step: float = 5.0) -> None:
        """Let time pass, as a link does."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.mux.tick(self.now)


def payload(id: int, data: bytes = b"") -> bytes:
    return encodeFrame(Kind.PAYLOAD, id, data)


def close(id: int) -> bytes:
    return encodeFrame(Kind.CLOSE, id)


class GatewayTests(SynchronousTestCase):
    """The side that visitors come to."""

    def setUp(self) -> None:
        self.side = V1Side(opens=True)

    def opened(self, **options: Any) -> Any:
        """A stream that the agent knows of."""
        endpoint = self.side.open(Opening(0), **options)
        self.side.take()
        return endpoint

    def test_open(self) -> None:
        """A stream begins at once, by an empty Payload, so that a backend that speaks first is dialled."""
        end = self.side.open(Opening(0))
        self.assertEqual(self.side.take(), [(Kind.PAYLOAD, 1, b"")])
        self.side.receive(payload(1, b"SSH-2.0"))
        self.assertEqual(end.heard, b"SSH-2.0")

    def test_ids(self) -> None:
        """Ids hold the registration and count; they come again only after all others, and never while they live."""
        first = self.side.open(Opening(7))
        self.assertEqual(first.stream.id, 7 << 16 | 1)
        kept = self.side.open(Opening(7))
        for count in range(3, 0x10000):
            end = self.side.open(Opening(7))
            self.assertEqual(end.stream.id, 7 << 16 | count)
            self.side.mux.close(end.stream)
            self.side.flush()
        self.side.mux.close(first.stream)
        self.assertEqual([self.side.open(Opening(7)).stream.id & 0xFFFF for _ in range(2)], [1, 3])
        self.assertIn(kept.stream.id, self.side.mux.streams)
        self.assertEqual(self.side.open(Opening(0xFFFF)).stream.id, 0xFFFF_0004)

    def test_noCredit(self) -> None:
        """Any number of bytes may be sent, and none is returned as credit for those received."""
        end = self.opened()
        for _ in range(300):
            self.assertEqual(self.side.mux.write(end.stream, bytes(PAYLOAD_MAX)), PAYLOAD_MAX)
            self.side.flush()
            self.side.receive(payload(1, bytes(FULL)))
        self.assertEqual({kind for kind, _, _ in self.side.take()}, {Kind.PAYLOAD})

    def test_close(self) -> None:
        """Close tells no reason, and nothing is sent after it."""
        end = self.opened()
        self.side.mux.close(end.stream, Reason.RESET, "the visitor has gone")
        self.assertEqual(self.side.mux.write(end.stream, b"more"), 0)
        self.side.mux.close(end.stream)
        self.side.mux.finish(end.stream)
        self.side.receive(payload(1, b"late"), close(1))
        self.assertEqual(self.side.take(), [(Kind.CLOSE, 1, b"")])
        self.assertEqual((bytes(end.heard), end.ending, self.side.mux.ignored), (b"", None, 2))

    def test_closed(self) -> None:
        """A Close from the agent may be a good end: it is told as one, after all that came, and not answered."""
        end = self.opened()
        self.side.receive(payload(1, b"the "), payload(1, b"answer"), close(1))
        self.assertEqual((bytes(end.heard), end.ending), (b"the answer", (Reason.ENDED, "")))
        self.assertEqual((self.side.take(), self.side.mux.streams), ([], {}))

    def test_undelivered(self) -> None:
        """A stream of which too much is undelivered is closed, on both sides, and the others go on."""
        stalled, other = self.opened(takes=0), self.opened()
        frames = UNDELIVERED_MAX // FULL
        for _ in range(frames):
            self.side.receive(payload(1, bytes(FULL)), payload(2, bytes(FULL)))
        self.assertEqual(stalled.ending, None)
        self.side.receive(payload(1, bytes(FULL)), payload(1, b"more"), payload(2, b"fine"))
        self.assertEqual(stalled.ending[0], Reason.BUFFER)
        self.assertEqual(self.side.take(), [(Kind.CLOSE, 1, b"")])
        self.assertEqual(len(other.heard), frames * FULL + 4)
        self.assertEqual(self.side.mux.undelivered, 0)

    def test_slow(self) -> None:
        """A reader that is slow, and not too slow, may take its time for as much as it likes."""
        slow = self.opened(takes=0)
        for _ in range(UNDELIVERED_MAX // FULL * 4):
            self.side.receive(payload(1, bytes(FULL)))
            slow.drain(FULL - 1)
        self.assertIsNone(slow.ending)
        self.assertLess(self.side.mux.undelivered, FULL)

    def test_crowded(self) -> None:
        """The driver can see who was given more than he takes, and hears when they have taken enough or are gone."""
        slow, gone, other = self.opened(takes=0), self.opened(takes=0), self.opened(takes=0)
        self.side.receive(*(payload(id, bytes(FULL)) for id in (1, 2) for _ in range(CROWDED // FULL)))
        self.assertEqual(self.side.mux.crowded, set())
        self.side.receive(payload(1, bytes(FULL)), payload(2, bytes(FULL)), payload(3, bytes(FULL)))
        self.assertEqual(self.side.mux.crowded, {slow.stream, gone.stream})
        slow.drain(FULL)
        self.assertEqual((self.side.mux.crowded, self.side.calls), ({gone.stream}, []))
        self.side.mux.close(gone.stream)
        self.assertEqual((self.side.mux.crowded, self.side.calls), (set(), ["relieved"]))
        slow.drain()
        other.drain()
        self.assertEqual(self.side.calls, ["relieved"])

    def test_linkMax(self) -> None:
        """All streams of a link together are bounded, too."""
        ends = [self.opened(takes=0) for _ in range(20)]
        for _ in range(LINK_MAX // (10 * FULL)):
            self.side.receive(*(payload(end.stream.id, bytes(FULL)) for end in ends))
        self.assertTrue(self.side.mux.undelivered <= LINK_MAX)
        self.assertTrue(any(end.ending for end in ends) and not all(end.ending for end in ends))

    def test_finish(self) -> None:
        """A visitor who has finished gets the answer; the agent cannot be told, and is not."""
        end = self.opened()
        self.side.mux.finish(end.stream)
        self.assertEqual((self.side.take(), self.side.mux.write(end.stream, b"more")), ([], 0))
        self.side.receive(payload(1, b"the answer"), close(1))
        self.assertEqual((bytes(end.heard), end.ending), (b"the answer", (Reason.ENDED, "")))
        self.assertEqual(self.side.take(), [])
        self.side.later(2 * LINGER)
        self.assertEqual(self.side.take(), [])

    def test_linger(self) -> None:
        """One for whom nothing comes for a minute is closed; each byte for him begins it anew, as does reading late."""
        end = self.opened(takes=0)
        idle = self.opened()
        self.side.later(LINGER)
        self.side.mux.finish(end.stream)
        self.side.later(LINGER - 1)
        self.side.receive(payload(1, b"x"))
        self.side.later(2 * LINGER)
        self.assertEqual((end.ending, self.side.take()), (None, []))
        end.drain()
        self.side.later(LINGER - 1)
        self.assertEqual(end.ending, None)
        self.side.later(6)
        self.assertEqual((end.ending[0], self.side.take()), (Reason.IDLE, [(Kind.CLOSE, 1, b"")]))
        self.assertEqual((idle.ending, list(self.side.mux.streams)), (None, [2]))

    def test_lingerMax(self) -> None:
        """Few may wait like that: with one more, the one for whom nothing came for the longest time is closed."""
        ends = [self.opened() for _ in range(LINGERING_MAX + 1)]
        for end in ends[:-1]:
            self.side.mux.finish(end.stream)
        self.side.now += 1
        self.side.receive(payload(ends[0].stream.id, b"x"))
        self.side.mux.finish(ends[-1].stream)
        self.assertEqual([index for index, end in enumerate(ends) if end.ending], [1])

    def test_onlyGatewayOpens(self) -> None:
        """Payload for an id that nobody opened is dropped."""
        self.side.receive(payload(9, b"hello"), payload(9), close(9))
        self.assertEqual((self.side.take(), self.side.mux.streams, self.side.calls), ([], {}, []))

    def test_limit(self) -> None:
        """There is a most to streams, told without troubling the agent."""
        for _ in range(SILENT_HELLO.streams):
            self.side.open(Opening(0))
        self.side.take()
        self.assertEqual(self.assertRaises(Refused, self.side.open, Opening(0)).code, "limit")
        self.assertEqual(self.side.take(), [])


class AgentTests(SynchronousTestCase):
    """The side that dials backends."""

    def setUp(self) -> None:
        self.side = V1Side(opens=False)

    def test_lostWhileDelivered(self) -> None:
        """When the link ends with what is just being delivered, what stands behind it opens nothing any more."""
        self.side.receive(payload(1, b"a"))

        def deliver(parts: Any, size: int) -> int:
            self.side.mux.lost("over")
            return size

        self.side.endpoints[1].deliver = deliver
        self.side.receive(payload(1, b"b"), payload(2, b"c"))
        self.assertEqual((self.side.calls, self.side.mux.streams, self.side.bugs), ([Opening(1)], {}, []))

    def test_accept(self) -> None:
        """Payload of a new id opens a stream, whatever the id; the registration is in its upper half."""
        self.side.receive(payload(33385, b"GET /"), payload(33385, b" HTTP"))
        self.assertEqual((self.side.calls, bytes(self.side.endpoints[33385].heard)), ([Opening(1)], b"GET / HTTP"))
        self.side.receive(payload(2 << 16 | 5))
        self.assertEqual(self.side.calls[1:], [Opening(3)])
        self.side.receive(payload(ID_MAX, b"x"), payload(0, b"y"))
        self.assertEqual(len(self.side.mux.streams), 4)

    def test_empty(self) -> None:
        """An empty Payload opens a stream as well, once, in its turn; later ones have no meaning."""
        self.side.receive(payload(5), payload(5), payload(5, b"x"), payload(5))
        self.assertEqual((len(self.side.calls), bytes(self.side.endpoints[5].heard)), (1, b"x"))
        fresh = V1Side(opens=False)
        fresh.receive(payload(9, b"first"), payload(5), payload(9, b"more"))
        self.assertEqual(list(fresh.endpoints), [9, 5])
        self.assertEqual(fresh.endpoints[9].heard, b"firstmore")

    def test_largest(self) -> None:
        """The original fills frames to the last byte that their size can tell."""
        self.side.receive(payload(5, bytes(FULL)))
        self.assertEqual(len(self.side.endpoints[5].heard), FULL)

    def test_finish(self) -> None:
        """A backend that has finished ends its stream, with a Close behind its last byte; the rest of what the visitor
        sent is delivered."""
        self.side.receive(payload(5, b"request"))
        end = self.side.endpoints[5]
        self.side.mux.write(end.stream, b"answer")
        self.side.mux.finish(end.stream)
        self.assertEqual(self.side.take(), [(Kind.PAYLOAD, 5, b"answer"), (Kind.CLOSE, 5, b"")])
        self.assertEqual((end.ending, self.side.mux.streams), ((Reason.ENDED, ""), {}))
        self.side.mux.finish(end.stream)
        self.side.mux.close(end.stream)
        self.assertEqual(self.side.take(), [])

    def test_late(self) -> None:
        """Late Payload for a stream that was closed here opens no connection, and is not answered."""
        for end in ("finish", "close"):
            self.setUp()
            self.side.receive(payload(5, b"request"))
            getattr(self.side.mux, end)(self.side.endpoints[5].stream)
            self.side.take()
            self.side.later(REMEMBER - 1, 1)
            self.side.receive(payload(5, b"late"), payload(5))
            self.assertEqual((len(self.side.calls), self.side.take()), (1, []))

    def test_again(self) -> None:
        """After a while an id may come again: the original's are the visitors' ports."""
        self.side.receive(payload(5, b"request"))
        self.side.mux.close(self.side.endpoints[5].stream)
        self.side.later(REMEMBER + 1, 1)
        self.side.receive(payload(5, b"another"))
        self.assertEqual((len(self.side.calls), bytes(self.side.endpoints[5].heard)), (2, b"another"))

    def test_againAfterClose(self) -> None:
        """And at once when the gateway has closed it, too, or first: nothing late can come any more."""
        for closedHere in (True, False):
            self.setUp()
            self.side.receive(payload(5, b"request"))
            if closedHere:
                self.side.mux.close(self.side.endpoints[5].stream)
            self.side.receive(close(5), payload(5, b"another"))
            self.assertEqual((len(self.side.calls), bytes(self.side.endpoints[5].heard)), (2, b"another"))

    def test_memory(self) -> None:
        """What is remembered of closed streams is bounded."""
        for id in range(REMEMBERED_MAX + 10):
            self.side.receive(payload(id))
            self.side.mux.close(self.side.endpoints[id].stream)
            self.side.flush()
        self.assertEqual(len(self.side.mux._closed), REMEMBERED_MAX)
        self.side.later(REMEMBER)
        self.assertEqual(len(self.side.mux._closed), 0)

    def test_full(self) -> None:
        """More streams than there may be are closed, each once, however much comes for it."""
        self.side.receive(*(payload(id) for id in range(SILENT_HELLO.streams)))
        self.side.receive(payload(60_000, b"one"), payload(7, b"x"), payload(60_000, b"two"))
        self.assertEqual(self.side.take(), [(Kind.CLOSE, 60_000, b"")])
        self.assertEqual(len(self.side.calls), SILENT_HELLO.streams)

    def test_drain(self) -> None:
        """An agent that leaves tells nobody, lets streams finish, and closes new ones."""
        self.side.receive(payload(5, b"request"))
        self.side.mux.drain()
        self.side.receive(payload(6, b"too late"), payload(6, b"!"))
        self.assertEqual((self.side.take(), self.side.calls), ([(Kind.CLOSE, 6, b"")], [Opening(1)]))
        self.side.mux.finish(self.side.endpoints[5].stream)
        self.assertEqual(self.side.calls, [Opening(1), "emptied"])

    def test_undelivered(self) -> None:
        """A backend that does not read costs its stream, not the link."""
        self.side.takes = 0
        for _ in range(UNDELIVERED_MAX // FULL + 1):
            self.side.receive(payload(5, bytes(FULL)))
        self.assertEqual(self.side.endpoints[5].ending[0], Reason.BUFFER)
        self.assertEqual(self.side.take(), [(Kind.CLOSE, 5, b"")])
        self.side.receive(payload(5, bytes(FULL)))
        self.assertEqual((self.side.calls, self.side.mux.undelivered), ([Opening(1), "relieved"], 0))

    def test_recorded(self) -> None:
        """The recorded stream: the question opens it, and answer and Close are the recorded bytes."""
        self.side.receive(GATEWAY.frames[2].plain)
        end = self.side.endpoints[33385]
        self.assertEqual(bytes(end.heard), b"GET / HTTP/1.0\r\n\r\n")
        self.side.mux.write(end.stream, AGENT.frames[3].payload)
        self.side.mux.finish(end.stream)
        self.side.flush()
        self.assertEqual(bytes(self.side.sent), AGENT.frames[3].plain + AGENT.frames[4].plain)


class LinkTests(SynchronousTestCase):
    """What concerns the whole link, on either side."""

    def test_silent(self) -> None:
        """There are no words for pings, drains and ends of links, so none are sent."""
        for opens in (True, False):
            side = V1Side(opens)
            side.mux.ping(bytes(8))
            side.mux.drain()
            side.mux.terminate()
            side.mux.terminate(ProtocolError("no"))
            self.assertEqual(side.take(), [])

    def test_kinds(self) -> None:
        """Words of the handshake are ignored, as by the original; kinds that version 1 lacks end the link."""
        for opens in (True, False):
            side = V1Side(opens)
            words = (Kind.OK, Kind.REGISTER, Kind.FINISH_REGISTER, Kind.LOGIN)
            side.receive(*(encodeFrame(kind, 0, b"x") for kind in words))
            self.assertEqual((side.take(), side.calls, side.mux.ignored), ([], [], 4))
            for kind in range(8, 256):
                self.assertRaises(ProtocolError, side.receive, encodeFrame(kind, 0))

    def test_ended(self) -> None:
        """Terminate and Error end the link; Error's text is told."""
        side = V1Side(False)
        side.receive(encodeFrame(Kind.TERMINATE, 0))
        side.receive(encodeError("go away"))
        self.assertEqual((side.calls[0], str(side.calls[1])), ("terminated", "go away"))

    def test_lost(self) -> None:
        """Without its link a stream is lost, not ended."""
        side = V1Side(True)
        end = side.open(Opening(0))
        side.mux.lost("gone")
        self.assertEqual(end.ending, (Reason.LOST, "gone"))

    def test_blocked(self) -> None:
        """A link that does not take more stops its streams, and a Close is never before the bytes it is behind."""
        side = V1Side(False)
        side.receive(payload(5))
        end = side.endpoints[5]
        side.mux.write(end.stream, b"first")
        side.flush()
        side.mux.block()
        self.assertEqual(side.mux.write(end.stream, b"second"), 0)
        side.mux.unblock()
        self.assertEqual((end.resumed, side.mux.write(end.stream, b"second")), (1, 6))
        side.mux.finish(end.stream)
        self.assertEqual([data for _, _, data in side.take()], [b"first", b"second", b""])

    @given(
        st.booleans(),
        st.lists(
            st.tuples(
                st.sampled_from("payload empty close junk write finish shut open drain later".split()),
                st.integers(1, 4),
            ),
            max_size=40,
        ),
    )
    def test_anything(self, opens: bool, steps: list[tuple[str, int]]) -> None:
        """Whatever happens: only Payload and Close are sent, nothing after a Close, and nothing is left behind."""
        side = V1Side(opens, takes=2)
        over: set[int] = set()
        for step, number in steps:
            if opens and step == "open":
                over.discard(side.open(Opening(0)).stream.id)
            elif step == "payload":
                side.receive(payload(number, b"data"))
            elif step == "empty":
                side.receive(payload(number))
            elif step == "close":
                side.receive(close(number))
            elif step == "junk":
                side.receive(encodeFrame(Kind.OK, number, b"x"))
            elif step == "later":
                side.later(number * 9)
            elif number in side.endpoints:
                end = side.endpoints[number]
                if step == "write":
                    side.mux.write(end.stream, b"data")
                elif step == "finish":
                    side.mux.finish(end.stream)
                elif step == "shut":
                    side.mux.close(end.stream)
                else:
                    end.drain()
            for kind, id, _ in side.take():
                self.assertIn(kind, (Kind.PAYLOAD, Kind.CLOSE))
                self.assertNotIn(id, over)
                if kind == Kind.CLOSE:
                    over.add(id)
            if not opens:
                over -= set(side.mux.streams)
            self.assertEqual(side.mux.undelivered, sum(each.stream.undelivered for each in side.records))
        self.assertEqual(set(side.mux._lingering) - set(side.mux.streams.values()), set())
