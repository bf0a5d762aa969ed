"""A gateway that listens in memory, its desk, and agents that dial it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import DiglettError, Refused
from diglett.hushed import Hushed
from diglett.link.arrival import Arrival
from diglett.link.dialling import Dialling
from diglett.link.link import Link
from diglett.plane.channel import Target
from diglett.testing import MemoryPlane, NotingHandler, clientTrust, serverContexts
from diglett.wire.messages import Established, Hello, Login, Register, Registered

TARGET = Target("gateway.example", 20_000)
HELLO = Hello(software="test", streams=10)
LOGIN = Login(token="secret", agent="a" * 16)
REGISTER = Register(name="example")


class Question:
    """One that was put to the desk; whether it was cancelled."""

    def __init__(self, granted: Callable[[Any], None], denied: Callable[[Refused], None]) -> None:
        self.granted = granted
        self.denied = denied
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


class NotingDesk:
    """Answers at once unless told to be `slow`; the link goes to `handler`."""

    def __init__(self, arrival: Arrival, slow: bool) -> None:
        self.arrival = arrival
        self.slow = slow
        self.handler = NotingHandler()
        self.link: Link | None = None
        self.logins: list[Login] = []
        self.questions: list[Question] = []
        self.errors: list[DiglettError] = []

    def _ask(self, granted: Callable[[Any], None], denied: Callable[[Refused], None], answer: Any) -> Question:
        question = Question(granted, denied)
        self.questions.append(question)
        if not self.slow:
            self.answer(answer)
        return question

    def answer(self, answer: Any) -> None:
        """Answer the last question."""
        question = self.questions[-1]
        question.denied(answer) if isinstance(answer, Refused) else question.granted(answer)
        self.arrival.answered()

    def authenticate(self, login: Login, granted: Any, denied: Any) -> Question:
        self.logins.append(login)
        self.arrival.loggedIn()
        return self._ask(granted, denied, "somebody")

    def claim(self, number: int, register: Register, granted: Any, denied: Any) -> Question:
        return self._ask(granted, denied, Registered(register.name, (f"https://{register.name}.example",)))

    def established(self) -> None:
        self.link = self.arrival.establish(self.handler)
        self.link.start(self.arrival.rest())

    def over(self, error: DiglettError) -> None:
        self.errors.append(error)
        self.arrival.refuse(error)


class HandshakeTestCase(SynchronousTestCase):
    """A gateway that listens in memory, and agents that dial it."""

    slow = False

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        self.contexts = serverContexts()
        self.desks: list[NotingDesk] = []
        self.channels: list[Any] = []
        self.ended: list[Arrival] = []
        self.agentHandler = NotingHandler()
        self.results: list[Any] = []
        self.plane.listen("tcp:20000", self.accepted)

    def accepted(self, channel: Any) -> None:
        self.channels.append(channel)
        log = Hushed(Logger(), self.plane.clock.seconds)
        arrival = Arrival(self.plane, HELLO, Established(), self.ended.append, log)
        arrival.begin(channel, self.contexts.connection(), self.newDesk)

    def newDesk(self, arrival: Arrival) -> NotingDesk:
        desk = NotingDesk(arrival, self.slow)
        self.desks.append(desk)
        return desk

    @property
    def desk(self) -> NotingDesk:
        return self.desks[-1]

    def dial(self, trust: Any = None, target: Target = TARGET) -> Dialling:
        dialling = Dialling(self.plane, target, trust or clientTrust(), self.agentHandler, HELLO, LOGIN, [REGISTER])
        dialling.done.addBoth(self.results.append)
        return dialling

    def failure(self) -> DiglettError:
        """How the only attempt has failed."""
        (failure,) = self.results
        error: DiglettError = failure.value
        self.assertIsInstance(error, DiglettError)
        return error

    def assertClean(self, lingering: bool = False) -> None:
        """No timer, no open channel; each arrival has ended once."""
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])
        self.assertEqual([each.closed for each in self.channels], [True] * len(self.channels))
        self.assertEqual(len(self.ended), len(set(self.ended)))
        self.assertEqual(len(self.ended), len(self.channels))
