"""A whole gateway that allows version 1, with agents of both versions at one port."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from diglett.accounts import Limits
from diglett.agent.service import UNCONFIRMED
from diglett.errors import LoginRefused
from diglett.gateway.agents import MOMENT, AgentLimits
from diglett.link import v1arrival
from diglett.link.v1arrival import EitherArrival
from diglett.link.v1dialling import V1Dialling
from diglett.link.v1link import BREATH
from diglett.wire.frames import Kind, encodeFrame
from diglett.wire.v1.exchange import PREFACE_SIZE
from diglett.wire.v1.mux import CROWDED, LINGER, UNDELIVERED_MAX
from tests.gateway.housekeeping import OK, HouseTestCase
from tests.gateway.ingress.rig import Visitor
from tests.gateway.original import Original
from tests.gateway.people import AGENTS, HTTPS
from tests.wire.v1.recorded import AGENT, GATEWAY, agentPair, gatewayPair

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: example.gateway.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class V1TestCase(HouseTestCase):
    """A house that allows version 1."""

    def setUp(self) -> None:
        self.hands = []
        self.build(newArrival=EitherArrival)

    def original(self, **options: Any) -> Original:
        """An agent of the original, who has said its preface."""
        return Original(self.house, **options)

    def visitPort(self, name: str = "example") -> Visitor:
        """A visitor at a name's own port."""
        visitor = self.house.connect(self.house.portOf(name))
        self.plane.pump()
        return visitor


class HandshakeTests(V1TestCase):
    """How an agent comes in."""

    def test_recorded(self) -> None:
        """The recorded agent is answered with the recorded bytes, its stream carried, to the last byte."""
        self.patch(v1arrival, "KeyPair", gatewayPair)
        self.house.book.add("s3cret")
        end = Visitor(self.house.dial(AGENTS))
        handshake = AGENT.preface + b"".join(frame.encrypted for frame in AGENT.frames[:3])
        rest = b"".join(frame.encrypted for frame in AGENT.frames[3:])
        self.assertEqual(handshake + rest, AGENT.everything)
        end.send(handshake)
        self.plane.pump()
        answered = GATEWAY.preface + b"".join(frame.encrypted for frame in GATEWAY.frames[:2])
        self.assertEqual(bytes(end.received), answered)
        (session,) = self.house.agents
        session._link.mux._counter = 33384  # the recorded visitor's port was the next
        visitor = self.visitPort()
        end.send(rest)
        self.plane.pump()
        self.assertEqual(bytes(visitor.received), AGENT.frames[3].payload)
        self.assertTrue(visitor.ended and visitor.error is None)

    def test_pieces(self) -> None:
        """The same when each byte comes alone."""
        original = Original(self.house, greet=False)
        for byte in original.preface:
            original.say(bytes([byte]))
        original.enter()
        self.assertEqual((original.answers, original.closed), ([None, None], False))
        self.assertEqual(len(self.house.agents), 1)

    def test_strangers(self) -> None:
        """Wrong magic, version or key: closed in good order without a word, as by the original."""
        good = agentPair().public
        digl = (b"digX\x01" + good, b"digl\x02" + good, b"digl\x00" + good, b"digl\x01" + bytes(33))
        for data in (*digl, b"GET / HTTP/1.1\r\n\r\n"):
            end = Visitor(self.house.dial(AGENTS))
            end.send(data.ljust(PREFACE_SIZE, b"!"))
            self.plane.pump()
            self.assertEqual((bytes(end.received), end.ended, end.error), (b"", True, None), data)
        self.assertEqual(self.house.agents.handshakes, 0)

    def test_answers(self) -> None:
        """What the original refuses is refused in its words, and the connection closed in good order behind them."""
        login, register = (Kind.LOGIN, 0, b"alice"), (Kind.REGISTER, 0, b"example")
        invalid, unexpected = "authentication error: invalid token", "received unexpected message"
        for frames, answers in (
            ([(Kind.LOGIN, 0, b"fail")], [invalid]),
            ([(Kind.LOGIN, 0, b"nobody")], [invalid]),
            ([register], [unexpected]),
            ([login, login], [None, unexpected]),
            ([login, (Kind.PAYLOAD, 5, b"early")], [None, unexpected]),
            ([login, register, (Kind.PAYLOAD, 5, b"early")], [None, None, unexpected]),
            ([login, register, (Kind.REGISTER, 0, b"other")], [None, None, "only one name registration is allowed"]),
            ([login, (Kind.FINISH_REGISTER, 0, b"")], [None, "missing name registration"]),
        ):
            original = self.original()
            for frame in frames:
                original.frame(*frame)
            self.assertEqual((original.answers, original.closed, original.end.error), (answers, True, None), frames)
        self.assertEqual((len(self.house.agents), list(self.house.registry)), (0, []))
        self.plane.advance(3600)  # the doorman forgets

    def test_names(self) -> None:
        """A name is validated like any other, taken as it is written properly, and refused with a reason."""
        self.house.book.add("carol", patterns=("carol-*",))
        for token, name, answer in (
            ("alice", "no such.name", "not authorized to use this domain: the name 'no such.name' is several labels"),
            ("alice", "www", "not authorized to use this domain: the name www is reserved"),
            ("carol", "example", "not authorized to use this domain"),
            ("alice", "", "not authorized to use this domain: "),
        ):
            original = self.original()
            original.enter(name, token)
            self.assertEqual(original.answers[0], None)
            self.assertTrue(str(original.answers[1]).startswith(answer), original.answers)
            self.assertTrue(original.closed)
        upper = self.original()
        upper.enter("EXAMPLE")
        self.assertEqual([public.name for public in self.house.registry], ["example"])

    def test_taken(self) -> None:
        """A name in use is refused for now, to the same account as well: who has no identity cannot come back."""
        first = self.original()
        first.enter()
        for token in ("bob", "alice"):
            second = self.original()
            second.enter(token=token)
            self.assertEqual(second.answers, [None, "the name example is in use by another agent"])
        first.end.channel.abort()
        self.plane.pump()
        third = self.original()
        third.enter()
        self.assertEqual(third.answers, [None, None])

    def test_credentials(self) -> None:
        """The authenticator hears the token, and of no certificate."""
        self.original().enter()
        (asked,) = self.house.book.asked
        self.assertEqual((asked.token, asked.certificateName), ("alice", None))

    def test_trouble(self) -> None:
        """What will pass is not told in the words for what will not."""
        self.house.book.answer = LoginRefused("ask again later", code="try-again", permanent=False)
        original = self.original()
        original.enter()
        self.assertEqual((original.answers, original.closed), (["ask again later"], True))

    def test_limits(self) -> None:
        """The account's limits hold."""
        self.house.book.add("alice", limits=Limits(agents=1))
        self.original().enter("one")
        second = self.original()
        second.enter("two")
        self.assertRegex(str(second.answers[-1]), "at most 1 agent")

    def test_timeouts(self) -> None:
        """Who is silent has to go: without a word before the keys are agreed on, with one afterwards."""
        for saying in (b"", b"d", b"digl\x01"):
            end = Visitor(self.house.dial(AGENTS))
            end.send(saying)
            self.plane.advance(9)
            self.assertFalse(end.closed)
            self.plane.advance(2)
            self.assertEqual((end.closed, bytes(end.received)), (True, b""))
        original = self.original()
        self.plane.advance(11)
        self.assertEqual((original.answers, original.closed), (["the handshake took too long"], True))
        self.house.book.answer = Deferred()
        waiting = self.original()
        waiting.frame(Kind.LOGIN, 0, b"alice")
        self.plane.advance(70)
        self.assertTrue(waiting.closed)

    def test_left(self) -> None:
        """Who leaves in the middle leaves nothing behind."""
        for steps in range(4):
            original = Original(self.house, greet=steps > 0)
            for kind, payload in ((Kind.LOGIN, b"alice"), (Kind.REGISTER, b"example"))[: max(0, steps - 1)]:
                original.frame(kind, 0, payload)
            original.end.channel.abort()
            self.plane.pump()
        self.assertEqual((self.house.agents.handshakes, len(self.house.agents), list(self.house.registry)), (0, 0, []))

    def test_noToken(self) -> None:
        """No token gets into the log, whatever becomes of it."""
        lines: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(lines.append)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)  # type: ignore[arg-type]
        self.house.book.accounts["s3cret"] = self.house.book.accounts["alice"]
        for name, token in (("one", "s3cret"), ("www", "s3cret"), ("two", "wrong-s3cret")):
            self.original().enter(name, token)
        self.assertTrue(lines)
        said = str([{key: value for key, value in line.items() if key != "log_logger"} for line in lines])
        self.assertNotIn("s3cret", said)

    @given(st.lists(st.binary(max_size=60), max_size=4), st.sampled_from([b"", b"digl\x01", b"\x16\x03\x01"]))
    @settings(max_examples=60)
    def test_garbage(self, pieces: list[bytes], beginning: bytes) -> None:
        """Whatever a stranger says in whatever pieces, nothing is raised, and he is gone in the end."""
        end = Visitor(self.house.dial(AGENTS))
        for piece in (beginning, *pieces):
            end.send(piece)
            self.plane.pump()
        self.plane.advance(75, 5)
        self.assertTrue(end.closed)
        self.assertEqual((self.house.agents.handshakes, len(self.house.agents)), (0, 0))

    FRAMES = st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, 3), st.sampled_from([b"", b"alice", b"example", b"\xff" * 50])),
        max_size=6,
    )

    @given(FRAMES, st.binary(max_size=30))
    @settings(max_examples=60)
    def test_anyFrames(self, frames: list[tuple[int, int, bytes]], junk: bytes) -> None:
        """The same for whoever holds the keys."""
        self.house.book.answer = None
        original = self.original()
        for kind, id, payload in frames:
            if not original.closed:
                original.frame(kind, id, payload)
        original.say(junk)
        original.end.channel.abort()
        self.plane.advance(75, 5)
        self.assertEqual((self.house.agents.handshakes, len(self.house.agents), list(self.house.registry)), (0, 0, []))
        self.plane.advance(3600, 600)


class StreamTests(V1TestCase):
    """What an agent of the original sees of its visitors."""

    def setUp(self) -> None:
        super().setUp()
        self.agent_ = self.original()
        self.agent_.enter()

    def answer(self, id: int, data: bytes) -> None:
        self.agent_.frame(Kind.PAYLOAD, id, data)

    def test_port(self) -> None:
        """A visitor is announced at once, heard, answered, and closed with the Close behind the answer."""
        visitor = self.visitPort()
        self.assertEqual(self.agent_.streams, [(Kind.PAYLOAD, 1, b"")])
        visitor.send(b"question")
        self.plane.pump()
        self.assertEqual(self.agent_.streams[1:], [(Kind.PAYLOAD, 1, b"question")])
        self.answer(1, b"answer")
        self.agent_.frame(Kind.CLOSE, 1)
        self.assertEqual((bytes(visitor.received), visitor.ended, visitor.error), (b"answer", True, None))
        self.assertEqual(len(self.agent_.streams), 2)

    def test_registration(self) -> None:
        """Ids hold the registration's number, as the agent has chosen it."""
        other = self.original()
        other.enter("other", number=0x0105)
        self.visitPort("other")
        self.assertEqual(other.streams, [(Kind.PAYLOAD, 0x0105_0001, b"")])

    def test_visitorReset(self) -> None:
        """A visitor who is gone is told of by a Close; nothing is sent after it, whatever the agent still says."""
        visitor = self.visitPort()
        visitor.channel.abort()
        self.plane.pump()
        self.answer(1, b"late")
        self.agent_.frame(Kind.CLOSE, 1)
        self.assertEqual(self.agent_.streams, [(Kind.PAYLOAD, 1, b""), (Kind.CLOSE, 1, b"")])

    def test_visitorFinished(self) -> None:
        """A visitor who has finished gets the answer; when none comes for a minute, both are told that it is over."""
        patient, quick = self.visitPort(), self.visitPort()
        for visitor in (patient, quick):
            visitor.send(b"all of it")
            visitor.channel.finish()
        self.plane.pump()
        self.answer(2, b"answer")
        self.agent_.frame(Kind.CLOSE, 2)
        self.assertEqual((bytes(quick.received), quick.ended), (b"answer", True))
        self.plane.advance(LINGER - 10)
        self.answer(1, b"part")
        self.plane.advance(LINGER - 6)
        self.assertFalse(patient.closed)
        self.plane.advance(12)
        self.assertEqual((bytes(patient.received), patient.closed), (b"part", True))
        self.assertEqual(self.agent_.streams[-1], (Kind.CLOSE, 1, b""))

    def test_stalled(self) -> None:
        """A visitor who does not read is dropped when too much waits for him; another one never notices."""
        stalled, other = self.visitPort(), self.visitPort()
        stalled.channel.pauseReading()
        count = UNDELIVERED_MAX // 65_535 + 5
        for number in range(count):
            self.answer(1, bytes(65_535))
            self.answer(2, bytes([number % 256]))
            self.plane.advance(BREATH)
            self.assertEqual(len(other.received), number + 1)
        self.assertIn((Kind.CLOSE, 1, b""), self.agent_.streams)
        stalled.channel.resumeReading()
        self.plane.pump()
        self.assertIsNotNone(stalled.error)

    def test_slow(self) -> None:
        """A link waits a moment for a visitor who takes his bytes, so that he gets as many as he likes."""
        slow = self.visitPort()
        (session,) = self.house.agents
        most = 0
        for _ in range(3 * UNDELIVERED_MAX // 65_535):
            self.answer(1, bytes(65_535))
            most = max(most, session._link.mux.undelivered)
        self.assertEqual(len(slow.received), 3 * UNDELIVERED_MAX // 65_535 * 65_535)
        self.assertLess(most, 3 * CROWDED)

    def test_breath(self) -> None:
        """Reading pauses when too much waits, and goes on when it was taken, or time is over; never after its end."""
        visitor = self.visitPort()
        visitor.channel.pauseReading()
        (session,) = self.house.agents
        link = session._link
        for _ in range(CROWDED // 65_535 + 3):
            self.answer(1, bytes(65_535))
        waiting = link.mux.undelivered
        self.assertIsNotNone(link._breath)
        self.answer(1, b"more")
        self.assertEqual(link.mux.undelivered, waiting)
        self.plane.advance(BREATH)
        self.assertGreater(link.mux.undelivered, waiting)
        self.assertIsNotNone(link._breath)
        visitor.channel.resumeReading()
        self.plane.pump()
        self.assertEqual((link.mux.undelivered, link._breath), (0, None))
        visitor.channel.pauseReading()
        for _ in range(CROWDED // 65_535 + 3):
            self.answer(1, bytes(65_535))
        self.assertIsNotNone(link._breath)
        self.agent_.end.channel.abort()
        self.plane.pump()
        self.plane.advance(1)
        self.assertEqual((link._breath, len(self.house.agents)), (None, 0))

    def test_http(self) -> None:
        """The fronts serve the name; a connection is used again as long as the agent does not close it."""
        visitor = self.visit()
        self.answer(1, OK)
        self.assertEqual(self.status(visitor), 200)
        visitor.send(b"GET /2 HTTP/1.1\r\nHost: example.gateway.com\r\n\r\n")
        self.plane.pump()
        self.assertIn(b"GET /2 ", self.agent_.streams[-1][2])
        self.assertEqual({id for _, id, _ in self.agent_.streams}, {1})

    def test_httpClosed(self) -> None:
        """A Close ends an answer that has no length; before one it is a backend that said nothing, and idle nothing."""
        visitor = self.visit()
        self.answer(1, b"HTTP/1.0 200 OK\r\n\r\nas long as it takes")
        self.agent_.frame(Kind.CLOSE, 1)
        self.assertTrue(b"as long as it takes" in visitor.received)
        self.assertIsNone(visitor.error)
        silent = self.visit()
        for id in (2, 3):  # a request that may be repeated is
            self.agent_.frame(Kind.CLOSE, id)
        self.assertEqual(self.status(silent), 502)
        idle = self.visit()
        id = self.agent_.streams[-1][1]
        self.answer(id, OK)
        self.agent_.frame(Kind.CLOSE, id)
        self.assertFalse(idle.closed)
        idle.send(b"GET /2 HTTP/1.1\r\nHost: example.gateway.com\r\n\r\n")
        self.plane.pump()
        self.answer(id + 1, OK)
        self.assertEqual(bytes(idle.received).count(b"200 OK"), 2)

    def test_httpTruncated(self) -> None:
        """An answer that is cut off is never taken for a whole one."""
        visitor = self.visit()
        self.answer(1, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        self.agent_.frame(Kind.CLOSE, 1)
        self.assertIsNotNone(visitor.error)

    def test_upgrade(self) -> None:
        """An upgraded connection is carried both ways; what came before its Close still arrives."""
        visitor = self.house.connect(8_080)
        visitor.send(UPGRADE)
        self.plane.pump()
        self.answer(1, SWITCHED + b"hello")
        visitor.send(b"\x81\x01x")
        self.plane.pump()
        self.assertEqual(self.agent_.streams[-1], (Kind.PAYLOAD, 1, b"\x81\x01x"))
        self.answer(1, b"bye")
        self.agent_.frame(Kind.CLOSE, 1)
        self.assertTrue(bytes(visitor.received).endswith(b"hellobye"))
        self.assertEqual((visitor.ended, visitor.error, self.house.front.visitors), (True, None, 0))

    def test_broken(self) -> None:
        """A word that version 1 does not have ends the link, without an answer; visitors hear of an absent agent."""
        visitor = self.visitPort()
        self.agent_.frame(Kind.OPEN, 1)
        self.assertEqual((len(self.agent_.streams), self.agent_.closed, visitor.closed), (1, True, True))
        self.assertEqual(self.status(self.visit()), 503)

    def test_terminate(self) -> None:
        """Terminate ends it, too."""
        self.agent_.frame(Kind.TERMINATE)
        self.assertEqual((self.agent_.closed, len(self.house.agents)), (True, 0))

    def test_revoked(self) -> None:
        """An account that is revoked is disconnected; there is no word for it."""
        del self.house.book.accounts["alice"]
        self.house.book.changed()
        self.plane.pump()
        self.assertEqual((self.agent_.closed, self.agent_.streams, list(self.house.registry)), (True, [], []))

    def test_drain(self) -> None:
        """When the gateway stops, running streams finish first, and then the link is closed without a word."""
        visitor = self.visitPort()
        stopped = self.house.stop()
        self.plane.advance(5)
        self.assertFalse(self.agent_.closed)
        self.answer(1, b"answer")
        self.agent_.frame(Kind.CLOSE, 1)
        self.plane.advance(1)
        self.assertEqual((bytes(visitor.received), self.agent_.closed), (b"answer", True))
        self.assertEqual(len(self.agent_.streams), 1)
        self.successResultOf(stopped)

    def test_quiet(self) -> None:
        """A link on which nothing happens stays, and nothing is sent on it."""
        received = len(self.agent_.end.received)
        self.plane.advance(3_600, 60)
        self.assertEqual((self.agent_.closed, len(self.agent_.end.received)), (False, received))


class BothTests(V1TestCase):
    """Both versions at one port, and our agent in either."""

    def test_both(self) -> None:
        """Agents of both versions come in by one port, and visitors do not see which is which."""
        backend = self.house.backend()
        old, new = self.agent("old", dialling=V1Dialling), self.agent("new")
        self.assertTrue(old.up and new.up)
        for number, name in enumerate((b"old", b"new")):
            visitor = self.visit(name)
            backend.say(number, OK)
            self.assertEqual(self.status(visitor), 200)

    def test_line(self) -> None:
        """The agent says that it is up when the gateway has had time to hear its last word, unless it is gone then."""
        hand = self.agent(dialling=V1Dialling)
        self.plane.advance(UNCONFIRMED / 2, 0.05)
        self.assertEqual((hand.up, hand.notes.events), (True, []))
        self.plane.advance(UNCONFIRMED)
        self.assertEqual((hand.notes.events, hand.notes.lines), (["up"], [("example.localhost", "localhost:9000")]))
        lost = self.agent("other", dialling=V1Dialling)
        lost.channel.reset()
        self.house.shut()
        self.plane.advance(3 * UNCONFIRMED, 0.05)
        self.assertEqual((lost.up, lost.notes.lines), (False, []))
        self.house.open()

    def test_tlsOnly(self) -> None:
        """The HTTPS front's port is for version 2 and visitors."""
        end = Visitor(self.house.dial(HTTPS))
        end.send(agentPair().public.rjust(PREFACE_SIZE, b"digl\x01"[:1]))
        self.plane.pump()
        self.assertNotIn(b"digl", end.received)

    def test_notAllowed(self) -> None:
        """Off unless it was turned on: then version 1 is a TLS that is none."""
        self.build()
        self.house.backend()
        hand = self.agent(dialling=V1Dialling)
        self.assertFalse(hand.up)
        self.assertEqual([event[:2] for event in hand.notes.events], [("retrying", "lost")])

    def test_halfClose(self) -> None:
        """Through our own agent: the backend's end is the end, behind its last byte; the visitor's is kept back."""
        backend = self.house.backend()
        self.agent(dialling=V1Dialling)
        visitor = self.visitPort()
        self.assertEqual(len(backend), 1)
        visitor.send(b"question")
        visitor.channel.finish()
        self.plane.pump()
        self.assertEqual((bytes(backend[0].received), backend[0].ended), (b"question", False))
        backend[0].send(b"answer")
        backend[0].channel.finish()
        self.plane.pump()
        self.assertEqual((bytes(visitor.received), visitor.ended, visitor.error), (b"answer", True, None))
        self.assertTrue(backend[0].ended)

    def test_refused(self) -> None:
        """A backend that cannot be reached ends the visit, and a request with a page."""
        self.agent(dialling=V1Dialling)
        self.assertTrue(self.visitPort().ended)
        self.assertEqual(self.status(self.visit()), 502)

    def test_lastBytes(self) -> None:
        """What a visitor's question held before its Close reaches a backend that is only then connected."""
        hand = self.agent(dialling=V1Dialling)
        backend = self.house.backend()
        (session,) = self.house.agents
        session._link._channel.write((encodeFrame(Kind.PAYLOAD, 7, b"last words"), encodeFrame(Kind.CLOSE, 7)), 24)
        self.plane.pump()
        self.assertEqual((bytes(backend[0].received), backend[0].ended), (b"last words", True))
        self.assertEqual((hand.up, session.streamCount), (True, 0))

    def test_unwanted(self) -> None:
        """A visitor who left before the backend was reached costs no connection."""
        self.agent(dialling=V1Dialling)
        backend = self.house.backend()
        (session,) = self.house.agents
        session._link._channel.write((encodeFrame(Kind.PAYLOAD, 7), encodeFrame(Kind.CLOSE, 7)), 14)
        self.plane.pump()
        self.assertEqual(len(backend), 0)

    def test_registration(self) -> None:
        """Our agent has one registration, number 0; streams of others are closed."""
        self.agent(dialling=V1Dialling)
        backend = self.house.backend()
        (session,) = self.house.agents
        session._link._channel.write((encodeFrame(Kind.PAYLOAD, 3 << 16 | 7, b"x"),), 8)
        self.plane.pump()
        self.assertEqual((len(backend), session._link.mux.ignored), (0, 1))

    def test_reconnects(self) -> None:
        """A lost link is made again, as of any other version."""
        hand = self.agent(dialling=V1Dialling)
        self.plane.advance(1)
        hand.channel.reset()
        hand.channel._other.reset()
        self.plane.advance(2)
        self.assertTrue(hand.up)
        self.assertEqual(hand.notes.events, ["up", ("lost", "lost"), "again"])

    def test_refusedForGood(self) -> None:
        """A wrong token, or a name that is not allowed, ends the agent; a name that is taken does not."""
        self.house.book.add("carol", patterns=("carol-*",))
        for options, code in (({"token": "nobody"}, "login-refused"), ({"token": "carol"}, "name-not-allowed")):
            hand = self.agent(dialling=V1Dialling, **options)
            self.assertEqual(self.refusals(hand), [code])
            self.assertTrue(hand.ended)
        self.agent()
        taken = self.agent(dialling=V1Dialling)
        self.plane.advance(1)
        self.assertFalse(taken.ended)
        self.assertEqual(self.refusals(taken)[0], "refused")

    def test_stops(self) -> None:
        """Asked to stop, our agent lets running streams finish, and takes no new ones."""
        backend = self.house.backend()
        hand = self.agent(dialling=V1Dialling)
        visitor = self.visitPort()
        stopped = hand.service.stopService()
        self.plane.advance(2)
        late = self.visitPort()
        self.assertEqual((late.ended, len(backend)), (True, 1))
        backend.say(0, b"answer")
        backend[0].channel.finish()
        self.plane.advance(2)
        self.assertEqual((bytes(visitor.received), visitor.ended), (b"answer", True))
        self.successResultOf(stopped)


class CrowdTests(V1TestCase):
    """More agents than may come."""

    limits = AgentLimits(handshakes=2)

    def test_handshakes(self) -> None:
        """Places for handshakes are counted before the version is known, the oldest stranger's taken, all given up."""
        silent = [Visitor(self.house.dial(AGENTS)) for _ in range(2)]
        self.plane.advance(MOMENT)
        silent.append(Visitor(self.house.dial(AGENTS)))
        self.plane.pump()
        self.assertEqual([each.closed for each in silent], [True, False, False])
        self.plane.advance(11)
        self.original().enter()
        self.assertEqual((len(self.house.agents), self.house.agents.handshakes), (1, 0))
