"""Who stands around the handshake machines in these tests, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diglett.errors import DiglettError, Refused
from diglett.wire.codec import Frame, PrefaceReader
from diglett.wire.frames import Kind, encodeFrame
from diglett.wire.handshake.agent import AgentHandshake, Outcome
from diglett.wire.handshake.gateway import GatewayHandshake
from diglett.wire.messages import Established, Hello, Login, Register, Registered

AGENT_HELLO = Hello(software="agent/1", window=65_536, streams=100)
GATEWAY_HELLO = Hello(software="gateway/1", window=131_072)
LOGIN = Login(token="hush", agent="0123456789abcdef")
WANTED = (Register("example"), Register("other", "tcp", True))
TERMS = Established(5, 20)
LATE = Refused("the handshake took too long", code="timeout")
TAKEN = Refused("somebody else has it", code="name-taken")


def ok(id: int, payload: bytes) -> bytes:
    return encodeFrame(Kind.OK, id, payload)


def registered(register: Register) -> Registered:
    """What the desk of these tests says to a name."""
    url = "tcp://gateway.com:4711" if register.type == "tcp" else f"https://{register.name}.gateway.com"
    return Registered(register.name, (url,))


def read(data: bytes) -> tuple[Hello, list[Frame]]:
    """A preface and the frames behind it, whole."""
    reader = PrefaceReader()
    reader.feed(data)
    hello = reader.hello()
    assert hello is not None
    frames = []
    while frame := reader.frame():
        frames.append(frame)
    assert not reader.buffered
    return Hello.decode(hello), frames


class Agent:
    """An agent's handshake that writes down what it sends and how it ends."""

    def __init__(self, login: Login = LOGIN, wanted: Any = WANTED, start: bool = True) -> None:
        self.sent = bytearray()
        self.outcomes: list[Outcome] = []
        self.errors: list[DiglettError] = []
        self.handshake = AgentHandshake(
            self.sent.extend, AGENT_HELLO, login, wanted, self.outcomes.append, self.errors.append
        )
        if start:
            self.handshake.start()

    def receive(self, data: bytes) -> None:
        self.handshake.receive(memoryview(data))

    @property
    def ends(self) -> int:
        """How often it has ended."""
        return len(self.outcomes) + len(self.errors)


class Question:
    """What the desk was asked, to be answered now or later."""

    def __init__(self, asked: Any, granted: Callable[[Any], None], denied: Callable[[Refused], None]) -> None:
        self.asked = asked
        self.granted = granted
        self.denied = denied
        self.cancelled = 0
        self.onCancel: Callable[[], None] = lambda: None

    def cancel(self) -> None:
        self.cancelled += 1
        self.onCancel()

    def grant(self) -> None:
        """Say yes, as the desk of this name would."""
        if isinstance(self.asked, Login):
            self.granted("alice")
        else:
            self.granted(registered(self.asked[1]))


class Gateway:
    """A gateway's handshake and its desk, which answers at once or when told."""

    def __init__(self, atOnce: bool = True, taken: str = "", strangers: bool = False) -> None:
        self.atOnce = atOnce
        self.taken = taken
        self.strangers = strangers
        self.sent = bytearray()
        self.questions: list[Question] = []
        self.established_ = 0
        self.errors: list[DiglettError] = []
        self.handshake = GatewayHandshake(self.sent.extend, GATEWAY_HELLO, TERMS, self)

    def receive(self, data: bytes) -> None:
        self.handshake.receive(memoryview(data))

    @property
    def ends(self) -> int:
        """How often it has ended."""
        return self.established_ + len(self.errors)

    # ---- the desk ------------------------------------------------------------------------------------------------

    def authenticate(
        self, login: Login, granted: Callable[[str], None], denied: Callable[[Refused], None]
    ) -> Question:
        return self._ask(Question(login, granted, denied))

    def claim(
        self, number: int, register: Register, granted: Callable[[Registered], None], denied: Callable[[Refused], None]
    ) -> Question:
        return self._ask(Question((number, register), granted, denied))

    def _ask(self, question: Question) -> Question:
        self.questions.append(question)
        if self.atOnce:
            self.answer(question)
        return question

    def answer(self, question: Question) -> None:
        """As this desk does."""
        if isinstance(question.asked, Login):
            if self.strangers:
                question.denied(Refused("unknown token", code="login-refused", permanent=True))
                return
        elif question.asked[1].name == self.taken:
            question.denied(TAKEN)
            return
        question.grant()

    def established(self) -> None:
        self.established_ += 1

    def over(self, error: DiglettError) -> None:
        self.errors.append(error)
