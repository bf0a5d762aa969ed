"""The agent's handshake: everything is said in one flight, then the answers are heard in their order.

    idle -> greeting -> proving -> claiming -> established
                 \\________\\__________\\______-> over
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import define
from automat import TypeMachineBuilder

from diglett.errors import DiglettError, ProtocolError, Refused, VersionMismatch
from diglett.wire.codec import Frame, PrefaceReader, encodePreface
from diglett.wire.frames import EXTENSIONS, Kind, encodeFrame
from diglett.wire.messages import (
    Established,
    Hello,
    Login,
    Register,
    Registered,
    checkRegistrations,
    decodeJson,
    decodeRefusal,
)


@define
class Outcome:
    """What a finished handshake has agreed on."""

    hello: Hello
    """The gateway's."""
    registered: list[Registered]
    """In the order of the registrations asked for."""
    terms: Established | None
    """None in version 1: the gateway cannot be asked whether it is there, and did not say that it has heard all."""


@define(eq=False)
class Applicant:
    """What the machine works with: callables, and what it has heard so far."""

    send: Callable[[bytes], None]
    hello: Hello
    login: Login
    wanted: Sequence[Register]
    established: Callable[[Outcome], None]
    failed: Callable[[DiglettError], None]
    heard: Hello | None = None
    registered: list[Registered] | None = None
    welcome: bool = False
    """The token was accepted."""


class Handshake(Protocol):
    """What happens to an agent that wants in."""

    def started(self) -> None:
        """The connection is up and the gateway is verified."""

    def greeted(self, hello: Hello) -> None:
        """The gateway's preface."""

    def accepted(self, frame: Frame) -> None:
        """An Ok."""

    def refused(self, error: DiglettError) -> None:
        """An Error, or something that breaks the rules."""

    def lost(self, error: DiglettError) -> None:
        """The connection is gone, or the time is over."""

    def _agreed(self, outcome: Outcome) -> None:
        """The last answer was the last one missing."""


def _machine() -> Callable[[Applicant], Handshake]:
    builder = TypeMachineBuilder(Handshake, Applicant)
    idle = builder.state("idle")
    greeting = builder.state("greeting")
    proving = builder.state("proving")
    claiming = builder.state("claiming")
    established = builder.state("established")
    over = builder.state("over")

    @idle.upon(Handshake.started).to(greeting)
    def sayEverything(machine: Handshake, applicant: Applicant) -> None:
        flight = [encodePreface(applicant.hello.encode()), encodeFrame(Kind.LOGIN, 0, applicant.login.encode())]
        for number, register in enumerate(applicant.wanted, 1):
            flight.append(encodeFrame(Kind.REGISTER, number, register.encode()))
        flight.append(encodeFrame(Kind.FINISH_REGISTER, 0))
        applicant.send(b"".join(flight))

    def expect(frame: Frame, id: int) -> None:
        if frame.id != id:
            raise ProtocolError("the gateway answered out of order")

    @greeting.upon(Handshake.greeted).to(proving)
    def remember(machine: Handshake, applicant: Applicant, hello: Hello) -> None:
        applicant.heard = hello
        applicant.registered = []

    @proving.upon(Handshake.accepted).to(claiming)
    def loggedIn(machine: Handshake, applicant: Applicant, frame: Frame) -> None:
        """The account's name is for the gateway's log; we do not need it."""
        try:
            expect(frame, 0)
            decodeJson(frame.payload)
            applicant.welcome = True
        except ProtocolError as error:
            machine.refused(error)

    @claiming.upon(Handshake.accepted).loop()
    def granted(machine: Handshake, applicant: Applicant, frame: Frame) -> None:
        registered = applicant.registered
        assert registered is not None and applicant.heard is not None
        try:
            if len(registered) < len(applicant.wanted):
                expect(frame, len(registered) + 1)
                registered.append(Registered.decode(frame.payload))
            else:
                expect(frame, 0)
                machine._agreed(Outcome(applicant.heard, registered, Established.decode(frame.payload)))
        except ProtocolError as error:
            machine.refused(error)

    @claiming.upon(Handshake._agreed).to(established)
    def done(machine: Handshake, applicant: Applicant, outcome: Outcome) -> None:
        applicant.established(outcome)

    for state in (greeting, proving, claiming):

        @state.upon(Handshake.refused).to(over)
        def refusedBy(machine: Handshake, applicant: Applicant, error: DiglettError) -> None:
            applicant.failed(error)

    for state in (idle, greeting, proving, claiming):

        @state.upon(Handshake.lost).to(over)
        def lostBy(machine: Handshake, applicant: Applicant, error: DiglettError) -> None:
            applicant.failed(error)

    for state in (established, over):
        for late in (Handshake.refused, Handshake.lost, Handshake.accepted, Handshake.greeted):
            state.upon(late).loop().returns(None)
    return builder.build()


_newMachine = _machine()


class AgentHandshake:
    """Bytes in, bytes out, and in the end one call: `established(outcome)` or `failed(error)`.

    The caller verifies the gateway first, keeps the time, and passes on what `rest` gives to the mux.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        hello: Hello,
        login: Login,
        wanted: Sequence[Register],
        established: Callable[[Outcome], None],
        failed: Callable[[DiglettError], None],
    ) -> None:
        checkRegistrations(wanted)
        self._reader = PrefaceReader()
        self._greeted = False
        self._over = False
        self._established = established
        self._failed = failed
        self._applicant = Applicant(send, hello, login, wanted, established=self._succeed, failed=self._fail)
        self._machine = _newMachine(self._applicant)

    @property
    def stage(self) -> str:
        """What the next answer is about: `protocol`, `token` or `name`."""
        registered = self._applicant.registered
        return "protocol" if registered is None else "name" if self._applicant.welcome else "token"

    @property
    def granted(self) -> int:
        """Names that the gateway has agreed to."""
        return len(self._applicant.registered or ())

    def start(self) -> None:
        """The connection is up and the gateway is verified: say everything."""
        self._machine.started()

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes from the gateway."""
        self._reader.feed(data)
        try:
            while not self._over and self._step():
                pass
        except VersionMismatch as error:
            self._machine.refused(Refused(f"{error}; this is version 2", code="version", permanent=True))
        except ProtocolError as error:
            self._machine.refused(error)

    def lose(self, error: DiglettError) -> None:
        """The connection is gone, or the time is over; nothing happens once the handshake has ended."""
        self._machine.lost(error)

    def rest(self) -> bytes:
        """What came behind the handshake."""
        return self._reader.rest()

    def _step(self) -> bool:
        if not self._greeted:
            hello = self._reader.hello()
            if hello is None:
                return False
            self._greeted = True
            self._machine.greeted(Hello.decode(hello))
            return True
        frame = self._reader.frame()
        if frame is None:
            return False
        if frame.kind == Kind.OK:
            self._machine.accepted(frame)
        elif frame.kind == Kind.ERROR:
            self._machine.refused(decodeRefusal(frame.payload))
        elif frame.kind not in EXTENSIONS:
            raise ProtocolError(f"a frame of kind {frame.kind} in the handshake")
        return True

    def _succeed(self, outcome: Outcome) -> None:
        self._over = True
        self._established(outcome)

    def _fail(self, error: DiglettError) -> None:
        self._over = True
        self._failed(error)
