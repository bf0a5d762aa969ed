"""The agent's handshake: `docs/wire.md`, sections 2 and 4."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import DiglettError, LinkLost, ProtocolError, Refused
from diglett.wire.codec import encodePreface
from diglett.wire.frames import HANDSHAKE_MAX, Kind, encodeFrame
from diglett.wire.handshake.agent import AgentHandshake
from diglett.wire.messages import Login, Register, Registered, encodeRefusal
from tests.wire import cut
from tests.wire.handshake.talking import AGENT_HELLO, GATEWAY_HELLO, LOGIN, TAKEN, TERMS, WANTED, Agent, ok, read

PREFACE = encodePreface(GATEWAY_HELLO.encode())
LOGGED_IN = ok(0, b'{"account":"alice"}')
FIRST = ok(1, Registered("example", ("https://example.gateway.com",)).encode())
SECOND = ok(2, Registered("other", ("tcp://gateway.com:4711",)).encode())
FINISHED = ok(0, TERMS.encode())
ANSWERS = (PREFACE, LOGGED_IN, FIRST, SECOND, FINISHED)
WHOLE = b"".join(ANSWERS)
GONE = LinkLost("gone")


class GrantedTests(SynchronousTestCase):
    """Everything is said at once, and answered."""

    def established(self, agent: Agent) -> None:
        """Check that it has ended well, once."""
        self.assertEqual((agent.errors, len(agent.outcomes)), ([], 1))
        (outcome,) = agent.outcomes
        self.assertEqual((outcome.hello, outcome.terms), (GATEWAY_HELLO, TERMS))
        self.assertEqual(
            outcome.registered,
            [
                Registered("example", ("https://example.gateway.com",)),
                Registered("other", ("tcp://gateway.com:4711",)),
            ],
        )

    def test_oneFlight(self) -> None:
        """Preface, Login, each Register by its number, FinishRegister: without waiting for anything."""
        hello, frames = read(bytes(Agent().sent))
        self.assertEqual(hello, AGENT_HELLO)
        self.assertEqual(
            [(frame.kind, frame.id) for frame in frames],
            [(Kind.LOGIN, 0), (Kind.REGISTER, 1), (Kind.REGISTER, 2), (Kind.FINISH_REGISTER, 0)],
        )
        self.assertEqual(Login.decode(frames[0].payload), LOGIN)
        self.assertEqual(tuple(Register.decode(frame.payload) for frame in frames[1:3]), WANTED)
        self.assertEqual(frames[3].payload, b"")

    def test_nothingBefore(self) -> None:
        """Not a byte is sent before the gateway is verified."""
        self.assertEqual(Agent(start=False).sent, b"")

    @given(st.lists(st.integers(0, 500), max_size=10), st.binary(max_size=30))
    def test_pieces(self, cuts: list[int], rest: bytes) -> None:
        """However the answers are cut, they establish the link, and what stands behind them is left for it."""
        agent = Agent()
        for piece in cut(WHOLE + rest, cuts):
            agent.receive(piece)
        self.established(agent)
        self.assertEqual(agent.handshake.rest(), rest)

    def test_rest(self) -> None:
        """A whole frame behind the last answer is the link's as well, even one that would be an answer."""
        for rest in (encodeFrame(Kind.OPEN, 1, b"\0\1\0\0"), FINISHED, encodeFrame(Kind.ERROR, 0, b"{}")):
            agent = Agent()
            agent.receive(WHOLE + rest)
            self.established(agent)
            self.assertEqual(agent.handshake.rest(), rest)

    def test_byteByByte(self) -> None:
        """Nothing is decided before the last byte, and nothing is said on the way."""
        agent = Agent()
        said = bytes(agent.sent)
        for at in range(len(WHOLE)):
            self.assertEqual(agent.ends, 0)
            agent.receive(WHOLE[at : at + 1])
        self.established(agent)
        self.assertEqual(agent.sent, said)

    def test_extensions(self) -> None:
        """Frames of extensions that we do not know are skipped between the answers."""
        agent = Agent()
        extension = encodeFrame(64, 9, b"\xff") + encodeFrame(127, 0)
        agent.receive(extension.join(ANSWERS[:1] + ANSWERS[1:]))
        self.established(agent)

    def test_late(self) -> None:
        """Nothing happens after the end, whatever comes."""
        agent = Agent()
        agent.receive(WHOLE)
        agent.receive(encodeFrame(Kind.ERROR, 0, encodeRefusal(TAKEN)) + b"\xff" * 30)
        agent.handshake.lose(GONE)
        self.established(agent)


class RefusedTests(SynchronousTestCase):
    """The gateway says no, or nothing that makes sense."""

    def error(self, *data: bytes) -> DiglettError:
        """What comes of these bytes: one error."""
        agent = Agent()
        for piece in data:
            agent.receive(piece)
        agent.handshake.lose(GONE)
        self.assertEqual((agent.outcomes, len(agent.errors)), ([], 1))
        return agent.errors[0]

    def test_everyAnswer(self) -> None:
        """An Error in place of any answer is the end, with its code and whether to try again."""
        for at in range(1, len(ANSWERS)):
            for refusal in (TAKEN, Refused("no", code="login-refused", permanent=True)):
                said = encodeFrame(Kind.ERROR, at, encodeRefusal(refusal))
                error = self.error(b"".join(ANSWERS[:at]) + said + b"".join(ANSWERS[at:]))
                self.assertIsInstance(error, Refused)
                self.assertEqual(
                    (error.code, error.permanent, str(error)),  # type: ignore[attr-defined]
                    (refusal.code, refusal.permanent, str(refusal)),
                )

    def test_otherVersion(self) -> None:
        """A gateway of another version refuses for good: an update is needed, not patience."""
        error = self.error(b"digl\x03\x00\x02{}")
        self.assertIsInstance(error, Refused)
        self.assertEqual((error.code, error.permanent), ("version", True))  # type: ignore[attr-defined]

    def test_ourVersionRefused(self) -> None:
        """A gateway that does not speak ours says so behind its own preface."""
        refusal = Refused("the peer speaks version 2 of the protocol", code="version", permanent=True)
        error = self.error(PREFACE + encodeFrame(Kind.ERROR, 0, encodeRefusal(refusal)))
        self.assertEqual((error.code, error.permanent), ("version", True))  # type: ignore[attr-defined]

    def test_order(self) -> None:
        """Answers come in the order of the questions, each with the id of its own."""
        for answers in (
            (PREFACE, LOGGED_IN, SECOND, FIRST, FINISHED),
            (PREFACE, LOGGED_IN, FIRST, FIRST, FINISHED),
            (PREFACE, LOGGED_IN, SECOND),
            (PREFACE, LOGGED_IN, FINISHED),
            (PREFACE, FIRST),
            (PREFACE, ok(7, b'{"account":"alice"}')),
            (PREFACE, LOGGED_IN, FIRST, SECOND, ok(3, TERMS.encode())),
        ):
            self.assertIsInstance(self.error(*answers), ProtocolError)

    def test_malformed(self) -> None:
        """Answers that are not what was specified."""
        for answers in (
            (PREFACE, ok(0, b"[]")),
            (PREFACE, ok(0, b"\xff")),
            (PREFACE, LOGGED_IN, ok(1, b'{"name":1}')),
            (PREFACE, LOGGED_IN, ok(1, b'{"urls":"u"}')),
            (PREFACE, LOGGED_IN, FIRST, SECOND, ok(0, b'{"keepalive":0}')),
            (PREFACE, encodeFrame(Kind.ERROR, 0, b"no")),
            (encodePreface(b"[]"),),
            (encodePreface(b'{"window":1}'),),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
            (PREFACE, encodeFrame(Kind.OK, 0, bytes(HANDSHAKE_MAX + 1))[:7]),
        ):
            self.assertIsInstance(self.error(*answers), ProtocolError)

    def test_otherFrames(self) -> None:
        """In the handshake the gateway sends nothing but Ok and Error."""
        for before in range(1, len(ANSWERS)):
            for kind in (*range(2, 14), 14, 63, 128, 255):
                error = self.error(b"".join(ANSWERS[:before]), encodeFrame(kind, 0))
                self.assertIsInstance(error, ProtocolError, f"kind {kind}")

    def test_count(self) -> None:
        """An agent without names, or with too many, does not begin."""
        for wanted in ([], [Register("a")] * 65):
            self.assertRaises(ValueError, Agent, LOGIN, wanted)


class AnyTimeTests(SynchronousTestCase):
    """Every state, whatever comes in it."""

    def test_lost(self) -> None:
        """The connection may go at any time, byte by byte: one end, and only if there was none yet."""
        self.assertEqual(self.lostBefore(start=False, size=0), [GONE])
        for size in range(len(WHOLE)):
            self.assertEqual(self.lostBefore(True, size), [GONE])
        self.assertEqual(self.lostBefore(True, len(WHOLE)), [])

    def lostBefore(self, start: bool, size: int) -> list[DiglettError]:
        agent = Agent(start=start)
        agent.receive(WHOLE[:size]) if size else None
        for _ in range(2):
            agent.handshake.lose(GONE)
        agent.receive(WHOLE[size:])
        self.assertEqual(agent.ends, 1)
        return agent.errors

    @given(st.integers(0, len(WHOLE)), st.binary(max_size=60))
    def test_garbage(self, size: int, garbage: bytes) -> None:
        """Garbage at any time is an error or not finished, never an exception, and ends it at most once."""
        agent = Agent()
        agent.receive(WHOLE[:size])
        agent.receive(garbage)
        agent.receive(garbage)
        agent.handshake.lose(GONE)
        self.assertEqual(agent.ends, 1)

    @given(st.lists(st.builds(encodeFrame, st.integers(0, 70), st.integers(0, 4), st.binary(max_size=9)), max_size=8))
    def test_frames(self, frames: list[bytes]) -> None:
        """So are frames of any kind in any order."""
        agent = Agent()
        agent.receive(PREFACE)
        for frame in frames:
            agent.receive(frame)
        agent.handshake.lose(GONE)
        self.assertEqual(agent.ends, 1)

    def test_lostWhileSending(self) -> None:
        """The connection may break under the first byte."""
        broken = Agent(start=False)
        broken.handshake = AgentHandshake(
            lambda data: broken.handshake.lose(GONE),
            AGENT_HELLO,
            LOGIN,
            WANTED,
            broken.outcomes.append,
            broken.errors.append,
        )
        broken.handshake.start()
        broken.receive(WHOLE)
        self.assertEqual((broken.outcomes, broken.errors), ([], [GONE]))
