"""The agent's handshake of version 1."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import DiglettError, LinkLost, ProtocolError, Refused
from diglett.wire.frames import HANDSHAKE_MAX, Kind, encodeFrame
from diglett.wire.v1.agent import V1AgentHandshake
from tests.wire import cut
from tests.wire.playing import parse
from tests.wire.v1.recorded import AGENT, GATEWAY

OK = encodeFrame(Kind.OK, 0)
LOGIN, REGISTER, FINISH = ((frame.kind, frame.id, frame.payload) for frame in AGENT.frames[:3])


class Agent:
    """A handshake that writes down what it sends and how it ends."""

    def __init__(self, token: str = "s3cret", name: str = "example", start: bool = True) -> None:
        self.sent = bytearray()
        self.established = 0
        self.errors: list[DiglettError] = []
        self.handshake = V1AgentHandshake(self.sent.extend, token, name, self.done, self.errors.append)
        self.receive = self.handshake.receive
        if start:
            self.handshake.start()

    def done(self) -> None:
        self.established += 1

    @property
    def ends(self) -> int:
        """How often it has ended."""
        return self.established + len(self.errors)


class V1AgentHandshakeTests(SynchronousTestCase):
    """`V1AgentHandshake`."""

    def test_recorded(self) -> None:
        """It says what the original's agent said, each word after the answer to the last, but for the last one."""
        agent = Agent()
        for words in ([LOGIN], [LOGIN, REGISTER], [LOGIN, REGISTER, FINISH]):
            self.assertEqual(parse(agent.sent), words)
            self.assertEqual(agent.established, int(words[-1] == FINISH))
            if not agent.established:
                agent.receive(GATEWAY.frames[len(words) - 1].plain)
        self.assertEqual(bytes(agent.sent), b"".join(frame.plain for frame in AGENT.frames[:3]))

    @given(st.lists(st.integers(0, 40), max_size=6))
    def test_pieces(self, cuts: list[int]) -> None:
        """Answers may come in any pieces, and what is behind them is the mux's."""
        agent = Agent()
        first = GATEWAY.frames[2].plain
        for piece in cut(b"".join(frame.plain for frame in GATEWAY.frames), cuts):
            agent.receive(piece)
        self.assertEqual((agent.established, agent.handshake.rest(), agent.errors), (1, first, []))

    def test_unicode(self) -> None:
        """Token and name are UTF-8, and may be empty."""
        agent = Agent(token="gehëim", name="")
        agent.receive(OK)
        self.assertEqual([payload for _, _, payload in parse(agent.sent)], ["gehëim".encode(), b""])

    def test_refused(self) -> None:
        """The original's words for a refusal are understood: what is permanent need not be tried again."""
        for before, text, code, permanent in (
            (0, "authentication error: invalid token", "login-refused", True),
            (1, "not authorized to use this domain", "name-not-allowed", True),
            (1, "not authorized to use this domain: the name www is reserved", "name-not-allowed", True),
            (1, "only one name registration is allowed", "protocol", True),
            (1, "the name example is in use by another agent", "refused", False),
            (0, "", "refused", False),
        ):
            agent = Agent()
            agent.receive(OK * before + encodeFrame(Kind.ERROR, 0, text.encode()) + OK)
            (error,) = agent.errors
            assert isinstance(error, Refused)
            self.assertEqual((error.code, error.permanent), (code, permanent), text)
            self.assertTrue(str(error).startswith(text) and str(error))
            self.assertEqual(agent.established, 0)

    def test_printable(self) -> None:
        """What a gateway says can be printed."""
        agent = Agent()
        agent.receive(encodeFrame(Kind.ERROR, 0, b"\x1b[2J\r\nall \xff is \xc3\xa9 lost" + b"!" * 5_000))
        self.assertTrue(str(agent.errors[0]).startswith("[2Jall \ufffd is é lost!"))
        self.assertEqual(len(str(agent.errors[0])), 1_024)

    def test_broken(self) -> None:
        """Anything but Ok and Error ends it, also a frame that is too large for a handshake."""
        for kind in set(range(256)) - {Kind.OK, Kind.ERROR}:
            agent = Agent()
            agent.receive(encodeFrame(kind, 0))
            self.assertIsInstance(agent.errors[0], ProtocolError)
        agent = Agent()
        agent.receive(encodeFrame(Kind.OK, 0, bytes(HANDSHAKE_MAX + 1)))
        self.assertIsInstance(agent.errors[0], ProtocolError)

    def test_lost(self) -> None:
        """A connection that is gone ends it once, in whatever state; afterwards nothing does."""
        for frames in range(4):
            agent = Agent(start=frames > 0)
            agent.receive(OK * max(0, frames - 1))
            for _ in range(2):
                agent.handshake.lose(LinkLost("gone"))
            self.assertEqual((agent.ends, agent.established), (1, int(frames == 3)))

    @given(st.lists(st.binary(max_size=30) | st.sampled_from([OK, encodeFrame(Kind.ERROR, 0, b"no")]), max_size=5))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever comes, nothing is raised, and it ends at most once; when it has, nothing more is said."""
        agent = Agent()
        for piece in pieces:
            said, ended = len(agent.sent), agent.ends
            agent.receive(piece)
            if ended:
                self.assertEqual(len(agent.sent), said)
        self.assertLessEqual(agent.ends, 1)
        agent.handshake.lose(LinkLost("gone"))
        self.assertEqual(agent.ends, 1)
