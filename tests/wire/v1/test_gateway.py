"""The gateway's handshake of version 1: it answers as the original does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import DiglettError, LinkLost, LoginRefused, ProtocolError, Refused
from diglett.wire.frames import HANDSHAKE_MAX, Kind, encodeFrame
from diglett.wire.messages import Login, Register, Registered
from diglett.wire.v1.gateway import NAME_MAX, TOKEN_MAX, V1GatewayHandshake
from tests.wire import cut
from tests.wire.handshake.talking import Question
from tests.wire.playing import parse
from tests.wire.v1.recorded import AGENT, GATEWAY

LOGIN, REGISTER, FINISH, PAYLOAD, CLOSE = (frame.plain for frame in AGENT.frames)
OK = GATEWAY.frames[0].plain
UNEXPECTED = "received unexpected message"


class Gateway:
    """A handshake and its desk, which answers at once, with these refusals, or when told."""

    def __init__(self, *, atOnce: bool = True, login: Refused | None = None, name: Refused | None = None) -> None:
        self.atOnce = atOnce
        self.refusals = {Login: login, Register: name}
        self.sent = bytearray()
        self.questions: list[Question] = []
        self.established_ = 0
        self.errors: list[DiglettError] = []
        self.handshake = V1GatewayHandshake(self.sent.extend, self)

    def receive(self, *frames: bytes) -> None:
        self.handshake.receive(memoryview(b"".join(frames)))

    @property
    def ends(self) -> int:
        """How often it has ended."""
        return self.established_ + len(self.errors)

    @property
    def said(self) -> list[str | None]:
        """None for each Ok, the text of each Error."""
        answers: list[str | None] = []
        for kind, id, payload in parse(self.sent):
            assert id == 0 and (kind == Kind.ERROR or (kind == Kind.OK and not payload))
            answers.append(payload.decode() if kind == Kind.ERROR else None)
        return answers

    # ---- the desk ------------------------------------------------------------------------------------------------

    def authenticate(self, login: Login, granted: Callable[[str], None], denied: Callable[[Refused], None]) -> Any:
        return self._ask(Login, Question(login, lambda _: granted("alice"), denied))

    def claim(
        self, number: int, register: Register, granted: Callable[[Registered], None], denied: Callable[[Refused], None]
    ) -> Any:
        return self._ask(Register, Question((number, register), lambda _: granted(Registered(register.name)), denied))

    def established(self) -> None:
        self.established_ += 1

    def over(self, error: DiglettError) -> None:
        self.errors.append(error)

    def _ask(self, kind: type, question: Question) -> Question:
        self.questions.append(question)
        refusal = self.refusals[kind]
        if self.atOnce:
            question.granted(None) if refusal is None else question.denied(refusal)
        return question


class AnswerTests(SynchronousTestCase):
    """What is said to an agent."""

    def heard(self, *frames: bytes, **manners: Any) -> Gateway:
        """A gateway that has heard these frames, and no connection of which is left open after an error."""
        gateway = Gateway(**manners)
        gateway.receive(*frames)
        self.assertEqual(len(gateway.errors), sum(text is not None for text in gateway.said))
        return gateway

    def test_recorded(self) -> None:
        """It answers the recorded agent as the original did; what came behind the handshake is left for the mux."""
        gateway = self.heard(*(frame.plain for frame in AGENT.frames))
        self.assertEqual(bytes(gateway.sent), b"".join(frame.plain for frame in GATEWAY.frames[:2]))
        self.assertEqual((gateway.established_, gateway.errors), (1, []))
        login, (number, register) = (question.asked for question in gateway.questions)
        self.assertEqual((login.token, number, register), ("s3cret", 0, Register("example")))
        self.assertEqual(gateway.handshake.rest(), PAYLOAD + CLOSE)

    @given(st.lists(st.integers(0, 80), max_size=6))
    def test_pieces(self, cuts: list[int]) -> None:
        """The same in any pieces: the original sends header and payload one by one."""
        gateway = Gateway()
        for piece in cut(b"".join(frame.plain for frame in AGENT.frames), cuts):
            gateway.receive(piece)
        self.assertEqual((gateway.said, gateway.handshake.rest()), ([None, None], PAYLOAD + CLOSE))

    def test_finishUnanswered(self) -> None:
        """FinishRegister has no answer."""
        gateway = self.heard(LOGIN, REGISTER)
        answered = len(gateway.sent)
        gateway.receive(FINISH)
        self.assertEqual((len(gateway.sent), gateway.established_), (answered, 1))

    def test_loginRefused(self) -> None:
        """A refused login is an Error with the original's words, whatever our own reason, and the end."""
        gateway = self.heard(LOGIN, REGISTER, FINISH, login=LoginRefused("the token of alice has expired"))
        self.assertEqual(gateway.said, ["authentication error: invalid token"])
        self.assertEqual(len(gateway.questions), 1)

    def test_fail(self) -> None:
        """The token `fail` is refused whoever else is let in, as by the original; nobody is asked."""
        gateway = self.heard(encodeFrame(Kind.LOGIN, 0, b"fail"), REGISTER)
        self.assertEqual((gateway.said, gateway.questions), (["authentication error: invalid token"], []))
        self.assertIsInstance(gateway.errors[0], LoginRefused)

    def test_passingTrouble(self) -> None:
        """A refusal that will pass is told in our own words, so that nobody takes it for one for good."""
        gateway = self.heard(LOGIN, login=LoginRefused("try again in 5 s", code="login-throttled", permanent=False))
        self.assertEqual(gateway.said, ["try again in 5 s"])
        taken = Refused("the name example is in use by another agent", code="name-taken")
        self.assertEqual(self.heard(LOGIN, REGISTER, name=taken).said, [None, str(taken)])

    def test_nameRefused(self) -> None:
        """A name that is not allowed, or never can be, is refused in the original's words."""
        words = "not authorized to use this domain"
        for refusal, said in (
            (Refused("alice may not", code="name-not-allowed", permanent=True), words),
            (Refused("www is reserved", code="name-reserved", permanent=True), f"{words}: www is reserved"),
        ):
            gateway = self.heard(LOGIN, REGISTER, FINISH, name=refusal)
            self.assertEqual((gateway.said, gateway.established_), ([None, said], 0))

    def test_outOfTurn(self) -> None:
        """A word that belongs elsewhere is answered as the original answers it, in each state."""
        others = [encodeFrame(kind, 0) for kind in (Kind.OK, Kind.ERROR, Kind.TERMINATE)]
        for before, wrong in (
            ((), (REGISTER, FINISH, PAYLOAD, CLOSE, *others)),
            ((LOGIN,), (LOGIN, PAYLOAD, CLOSE, *others)),
            ((LOGIN, REGISTER), (LOGIN, PAYLOAD, CLOSE, *others)),
        ):
            for frame in wrong:
                gateway = self.heard(*before, frame, FINISH)
                self.assertEqual(gateway.said, [None] * len(before) + [UNEXPECTED], (len(before), frame))
                self.assertIsInstance(gateway.errors[0], ProtocolError)

    def test_second(self) -> None:
        """There is one name: a second registration is refused, and so is none at all."""
        gateway = self.heard(LOGIN, REGISTER, REGISTER, FINISH)
        self.assertEqual(gateway.said, [None, None, "only one name registration is allowed"])
        self.assertEqual(len(gateway.questions), 2)
        self.assertEqual(self.heard(LOGIN, FINISH).said, [None, "missing name registration"])

    def test_noFrames(self) -> None:
        """Kinds that version 1 does not have mean that the keys are wrong: nothing could be answered."""
        for before in ((), (LOGIN,), (LOGIN, REGISTER)):
            for kind in (8, 9, 14, 64, 255):
                gateway = Gateway()
                gateway.receive(*before, encodeFrame(kind, 0), FINISH)
                self.assertEqual((gateway.said, len(gateway.errors)), ([None] * len(before), 1))

    def test_tooLong(self) -> None:
        """Tokens, names and frames have the limits of version 2."""
        token, name = b"x" * TOKEN_MAX, b"x" * NAME_MAX
        longest = self.heard(encodeFrame(Kind.LOGIN, 0, token), encodeFrame(Kind.REGISTER, 0, name))
        self.assertEqual(longest.said, [None, None])
        for frames in (
            [encodeFrame(Kind.LOGIN, 0, b"x" * (TOKEN_MAX + 1))],
            [LOGIN, encodeFrame(Kind.REGISTER, 0, b"x" * (NAME_MAX + 1))],
            [encodeFrame(Kind.LOGIN, 0, bytes(HANDSHAKE_MAX + 1))],
        ):
            gateway = self.heard(*frames)
            self.assertRegex(gateway.said[-1] or "", "at most")

    def test_number(self) -> None:
        """Of the registration's number the low 16 bits count, as in the original."""
        gateway = self.heard(LOGIN, encodeFrame(Kind.REGISTER, 0xABCD_1234, b"example"))
        self.assertEqual(gateway.questions[1].asked[0], 0x1234)

    def test_notText(self) -> None:
        """What is not UTF-8 stays wrong, and is not lost."""
        gateway = self.heard(encodeFrame(Kind.LOGIN, 0, b"\xff"), encodeFrame(Kind.REGISTER, 0, b"na\xffme"))
        self.assertEqual(gateway.questions[0].asked.token, "\ufffd")
        self.assertEqual(gateway.questions[1].asked[1].name, "na\ufffdme")

    def test_strangers(self) -> None:
        """Two links are never those of the same agent, and tokens are in no representation."""
        one, two = (self.heard(LOGIN).questions[0].asked for _ in range(2))
        self.assertNotEqual(one.agent, two.agent)
        self.assertNotIn("s3cret", repr(one))


class WaitingTests(SynchronousTestCase):
    """While an answer is pending."""

    def test_unread(self) -> None:
        """The next question stays unread until the last is answered."""
        gateway = Gateway(atOnce=False)
        gateway.receive(LOGIN, REGISTER, FINISH, PAYLOAD)
        self.assertEqual((len(gateway.questions), gateway.handshake.buffered), (1, len(REGISTER + FINISH + PAYLOAD)))
        gateway.questions[0].granted(None)
        self.assertEqual((len(gateway.questions), gateway.handshake.buffered), (2, len(FINISH + PAYLOAD)))
        gateway.questions[1].granted(None)
        self.assertEqual((gateway.established_, gateway.handshake.rest()), (1, PAYLOAD))

    def test_left(self) -> None:
        """An agent that leaves, or takes too long, has its question withdrawn; late answers change nothing."""
        late = Refused("the handshake took too long", code="timeout")
        ways: list[tuple[Callable[[Gateway], None], list[str]]] = [
            (lambda gateway: gateway.handshake.lose(LinkLost("gone")), []),
            (lambda gateway: gateway.handshake.timeOut(late), [str(late)]),
        ]
        for questions in (1, 2):
            for leave, said in ways:
                gateway = Gateway(atOnce=False)
                gateway.receive(LOGIN, REGISTER)
                if questions == 2:
                    gateway.questions[0].granted(None)
                for _ in range(2):
                    leave(gateway)
                self.assertEqual(gateway.said, [None] * (questions - 1) + said)
                question = gateway.questions[-1]
                self.assertEqual((question.cancelled, len(gateway.errors)), (1, 1))
                question.granted(None)
                question.denied(late)
                self.assertEqual((gateway.ends, len(gateway.said)), (1, questions - 1 + len(said)))

    def test_idle(self) -> None:
        """The same when the agent has not asked: it is told why it has to go."""
        for frames in ((), (LOGIN,), (LOGIN, REGISTER)):
            gateway = Gateway()
            gateway.receive(*frames)
            gateway.handshake.timeOut(Refused("the gateway is stopping", code="draining"))
            self.assertEqual(gateway.said, [None] * len(frames) + ["the gateway is stopping"])
            self.assertEqual(len(gateway.errors), 1)

    WORDS = st.sampled_from([LOGIN, REGISTER, FINISH, PAYLOAD, CLOSE, OK]) | st.binary(max_size=20)
    STEPS = st.lists(WORDS | st.sampled_from(["grant", "deny", "lose", "time out"]), max_size=12)

    @given(STEPS, st.booleans())
    def test_anything(self, steps: Sequence[bytes | str], atOnce: bool) -> None:
        """Whatever happens in whatever order, nothing is raised; it ends at most once, and then says nothing more."""
        gateway = Gateway(atOnce=atOnce)
        for step in steps:
            ended, said = gateway.ends, len(gateway.sent)
            if isinstance(step, bytes):
                gateway.receive(step)
            elif step == "lose":
                gateway.handshake.lose(LinkLost("gone"))
            elif step == "time out":
                gateway.handshake.timeOut(Refused("too late", code="timeout"))
            elif gateway.questions and not atOnce:
                question = gateway.questions.pop()  # each is answered once
                question.granted(None) if step == "grant" else question.denied(Refused("no"))
            if ended:
                self.assertEqual((gateway.ends, len(gateway.sent)), (ended, said))
        self.assertLessEqual(gateway.ends, 1)
        gateway.handshake.lose(LinkLost("gone"))
        self.assertEqual(gateway.ends, 1)
