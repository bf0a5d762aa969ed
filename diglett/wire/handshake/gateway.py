"""The gateway's handshake: questions come in one flight, answers need plugins that may take their time.

    greeting -> awaiting -> checking -> claiming -> established
         \\         \\          \\         ^  v
          \\         \\          \\      reserving
           \\_________\\__________\\________\\-> over

While an answer is pending the next question stays unread. Everything pending is cancelled when the agent leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from attrs import define
from automat import TypeMachineBuilder

from diglett.errors import DiglettError, ProtocolError, Refused
from diglett.wire.codec import Frame, PrefaceReader, encodePreface
from diglett.wire.frames import EXTENSIONS, REGISTRATIONS_MAX, Kind, encodeFrame
from diglett.wire.messages import Established, Hello, Login, Register, Registered, encodeJson, encodeRefusal


@runtime_checkable
class Pending(Protocol):
    """A plugin's answer on its way."""

    def cancel(self) -> None: ...


class Desk(Protocol):
    """Who decides. Each question returns at once and is answered later, or at once, by a call of one of the two.

    Desks must not raise.
    """

    def authenticate(self, login: Login, granted: Callable[[str], None], denied: Callable[[Refused], None]) -> Pending:
        """Who is this? The answer is the account's id."""

    def claim(
        self, number: int, register: Register, granted: Callable[[Registered], None], denied: Callable[[Refused], None]
    ) -> Pending:
        """May this account have this name, and is it free? Then make it reachable."""

    def established(self) -> None:
        """The last answer was sent."""

    def over(self, error: DiglettError) -> None:
        """It failed; every claim must be undone, and the connection closed."""


@define(eq=False)
class Reception:
    """What the machine works with."""

    send: Callable[[bytes], None]
    hello: Hello
    terms: Established
    desk: Desk
    proceed: Callable[[], None]
    """The next question may be read."""
    number: int = 0


class Handshake(Protocol):
    """What happens at the gateway's desk."""

    def greeted(self, hello: Hello) -> None: ...

    def loggedIn(self, login: Login) -> None: ...

    def registered(self, number: int, register: Register) -> None: ...

    def finished(self) -> None: ...

    def broken(self, error: ProtocolError) -> None:
        """The agent broke the rules."""

    def lost(self, error: DiglettError) -> None:
        """The connection is gone."""

    def timedOut(self, error: Refused) -> None: ...

    def _granted(self, account: str) -> None: ...

    def _claimed(self, registered: Registered) -> None: ...

    def _denied(self, error: Refused) -> None: ...


def _machine() -> Callable[[Reception], Handshake]:
    builder = TypeMachineBuilder(Handshake, Reception)
    greeting = builder.state("greeting")
    awaiting = builder.state("awaiting")

    def ask(machine: Handshake, reception: Reception, login: Login) -> Pending:
        return reception.desk.authenticate(login, machine._granted, machine._denied)

    def reserve(machine: Handshake, reception: Reception, number: int, register: Register) -> Pending:
        reception.number = number
        return reception.desk.claim(number, register, machine._claimed, machine._denied)

    checking = builder.state("checking", ask)
    claiming = builder.state("claiming")
    reserving = builder.state("reserving", reserve)
    established = builder.state("established")
    over = builder.state("over")

    def refuseFirst(reception: Reception, error: Refused | ProtocolError) -> None:
        """Whoever speaks version 2 hears the preface before anything else."""
        reception.send(encodePreface(reception.hello.encode()))
        refuse(reception, 0, error)

    def refuse(reception: Reception, number: int, error: Refused | ProtocolError) -> None:
        reception.send(encodeFrame(Kind.ERROR, number, encodeRefusal(error)))
        reception.desk.over(error)

    @greeting.upon(Handshake.greeted).to(awaiting)
    def greet(machine: Handshake, reception: Reception, hello: Hello) -> None:
        reception.send(encodePreface(reception.hello.encode()))

    awaiting.upon(Handshake.loggedIn).to(checking).returns(None)

    @checking.upon(Handshake._granted).to(claiming)
    def welcome(machine: Handshake, reception: Reception, pending: Pending, account: str) -> None:
        reception.send(encodeFrame(Kind.OK, 0, encodeJson({"account": account})))
        reception.proceed()

    claiming.upon(Handshake.registered).to(reserving).returns(None)

    @reserving.upon(Handshake._claimed).to(claiming)
    def confirm(machine: Handshake, reception: Reception, pending: Pending, registered: Registered) -> None:
        reception.send(encodeFrame(Kind.OK, reception.number, registered.encode()))
        reception.proceed()

    @claiming.upon(Handshake.finished).to(established)
    def welcomeIn(machine: Handshake, reception: Reception) -> None:
        reception.send(encodeFrame(Kind.OK, 0, reception.terms.encode()))
        reception.desk.established()

    @checking.upon(Handshake._denied).to(over)
    def deny(machine: Handshake, reception: Reception, pending: Pending, error: Refused) -> None:
        refuse(reception, 0, error)

    @reserving.upon(Handshake._denied).to(over)
    def denyName(machine: Handshake, reception: Reception, pending: Pending, error: Refused) -> None:
        refuse(reception, reception.number, error)

    @greeting.upon(Handshake.broken).to(over)
    def rejectStranger(machine: Handshake, reception: Reception, error: ProtocolError) -> None:
        refuseFirst(reception, error)

    @greeting.upon(Handshake.timedOut).to(over)
    def hurryStranger(machine: Handshake, reception: Reception, error: Refused) -> None:
        refuseFirst(reception, error)

    for idle in (awaiting, claiming):

        @idle.upon(Handshake.broken).to(over)
        def reject(machine: Handshake, reception: Reception, error: ProtocolError) -> None:
            refuse(reception, 0, error)

        @idle.upon(Handshake.timedOut).to(over)
        def hurry(machine: Handshake, reception: Reception, error: Refused) -> None:
            refuse(reception, 0, error)

    for idle in (greeting, awaiting, claiming):

        @idle.upon(Handshake.lost).to(over)
        def leave(machine: Handshake, reception: Reception, error: DiglettError) -> None:
            reception.desk.over(error)

    for busy in (checking, reserving):

        @busy.upon(Handshake.lost).to(over)
        def giveUp(machine: Handshake, reception: Reception, pending: Pending, error: DiglettError) -> None:
            pending.cancel()
            reception.desk.over(error)

        @busy.upon(Handshake.timedOut).to(over)
        def giveUpSaying(machine: Handshake, reception: Reception, pending: Pending, error: Refused) -> None:
            pending.cancel()
            refuse(reception, 0, error)

    lates = (Handshake.lost, Handshake.timedOut, Handshake.broken, Handshake._granted, Handshake._claimed)
    for end in (established, over):
        for late in (*lates, Handshake._denied):
            end.upon(late).loop().returns(None)
    return builder.build()


_newMachine = _machine()


class GatewayHandshake:
    """Bytes in, bytes out; the desk hears how it ends. The caller keeps the time and passes `rest` to the mux."""

    def __init__(
        self, send: Callable[[bytes], None], hello: Hello, terms: Established, desk: Desk
    ) -> None:
        self._reader = PrefaceReader()
        self._greeted = False
        self._loggedIn = False
        self._reading = True
        self._gone = False
        self._registrations = 0
        self._stepping = False
        self.theirs = Hello()
        """What the agent said of itself."""
        self._machine = _newMachine(Reception(send, hello, terms, desk, proceed=self._proceed))

    @property
    def buffered(self) -> int:
        """Bytes waiting until the pending question is answered: the caller bounds them by not reading."""
        return self._reader.buffered

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes from the agent."""
        self._reader.feed(data)
        self._steps()

    def lose(self, error: DiglettError) -> None:
        """The connection is gone; nothing happens once the handshake has ended."""
        self._gone = True
        self._machine.lost(error)

    def timeOut(self, error: Refused) -> None:
        """It took too long."""
        self._gone = True
        self._machine.timedOut(error)

    def rest(self) -> bytes:
        """What came behind the handshake."""
        return self._reader.rest()

    def _proceed(self) -> None:
        self._reading = True
        self._steps()

    def _steps(self) -> None:
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._reading and not self._gone and self._step():
                pass
        except ProtocolError as error:
            self._reading = False
            self._machine.broken(error)
        finally:
            self._stepping = False

    def _step(self) -> bool:
        if not self._greeted:
            hello = self._reader.hello()
            if hello is None:
                return False
            self._greeted = True
            self.theirs = Hello.decode(hello)
            self._machine.greeted(self.theirs)
            return True
        frame = self._reader.frame()
        if frame is None:
            return False
        if frame.kind not in EXTENSIONS:
            self._handle(frame)
        return True

    def _handle(self, frame: Frame) -> None:
        if not self._loggedIn:
            if frame.kind != Kind.LOGIN:
                raise ProtocolError("the first frame is not Login")
            if frame.id:
                raise ProtocolError("malformed Login")
            login = Login.decode(frame.payload)
            self._loggedIn = True
            self._reading = False
            self._machine.loggedIn(login)
        elif frame.kind == Kind.REGISTER:
            self._registrations += 1
            if frame.id != self._registrations or frame.id > REGISTRATIONS_MAX:
                raise ProtocolError("registrations are numbered 1, 2, 3 … and at most 64")
            register = Register.decode(frame.payload)
            self._reading = False
            self._machine.registered(frame.id, register)
        elif frame.kind == Kind.FINISH_REGISTER:
            if not self._registrations:
                raise ProtocolError("FinishRegister without a Register")
            if frame.id or frame.payload:
                raise ProtocolError("malformed FinishRegister")
            self._reading = False
            self._machine.finished()
        else:
            raise ProtocolError(f"a frame of kind {frame.kind} in the handshake")
