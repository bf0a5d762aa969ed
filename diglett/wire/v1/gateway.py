"""The gateway's handshake of version 1, over a channel that decrypts already.

    awaiting -> checking -> nameless -> reserving -> named -> established
        \\_________\\__________\\__________\\_________\\-> over

The desk is that of version 2; answers are the original's. While one is pending the next question stays unread.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from attrs import define
from automat import TypeMachineBuilder

from diglett.errors import DiglettError, LoginRefused, ProtocolError, Refused
from diglett.wire.codec import Frame, PrefaceReader
from diglett.wire.frames import Kind, encodeFrame
from diglett.wire.handshake.gateway import Desk, Pending
from diglett.wire.messages import Login, Register, Registered
from diglett.wire.v1.words import (
    NO_NAME,
    ONLY_ONE,
    REFUSED_TOKEN,
    SILENT_HELLO,
    UNEXPECTED,
    encodeError,
    textOf,
)

TOKEN_MAX = 4_096
NAME_MAX = 1_024
"""Bytes, the same as in version 2."""
_KINDS = frozenset(map(int, Kind)) & frozenset(range(8))


@define(eq=False)
class Reception:
    """What the machine works with."""

    send: Callable[[bytes], None]
    desk: Desk
    proceed: Callable[[], None]
    """The next question may be read."""


class Handshake(Protocol):
    """What happens at the gateway's desk."""

    def loggedIn(self, login: Login) -> None: ...

    def registered(self, number: int, register: Register) -> None: ...

    def finished(self) -> None: ...

    def broken(self, error: Refused | ProtocolError) -> None:
        """The agent broke the rules, in words that can be answered."""

    def garbled(self, error: ProtocolError) -> None:
        """What it sends is no frame: nothing that we answer would be understood."""

    def lost(self, error: DiglettError) -> None:
        """The connection is gone."""

    def timedOut(self, error: Refused) -> None: ...

    def _granted(self, account: str) -> None: ...

    def _claimed(self, registered: Registered) -> None: ...

    def _denied(self, error: Refused) -> None: ...


def _machine() -> Callable[[Reception], Handshake]:
    builder = TypeMachineBuilder(Handshake, Reception)

    def ask(machine: Handshake, reception: Reception, login: Login) -> Pending:
        return reception.desk.authenticate(login, machine._granted, machine._denied)

    def reserve(machine: Handshake, reception: Reception, number: int, register: Register) -> Pending:
        return reception.desk.claim(number, register, machine._claimed, machine._denied)

    awaiting = builder.state("awaiting")
    checking = builder.state("checking", ask)
    nameless = builder.state("nameless")
    reserving = builder.state("reserving", reserve)
    named = builder.state("named")
    established = builder.state("established")
    over = builder.state("over")

    def refuse(reception: Reception, error: Refused | ProtocolError) -> None:
        reception.send(encodeError(textOf(error)))
        reception.desk.over(error)

    def confirm(reception: Reception) -> None:
        reception.send(encodeFrame(Kind.OK, 0))
        reception.proceed()

    awaiting.upon(Handshake.loggedIn).to(checking).returns(None)
    nameless.upon(Handshake.registered).to(reserving).returns(None)

    @checking.upon(Handshake._granted).to(nameless)
    def welcome(machine: Handshake, reception: Reception, pending: Pending, account: str) -> None:
        confirm(reception)

    @reserving.upon(Handshake._claimed).to(named)
    def hand(machine: Handshake, reception: Reception, pending: Pending, registered: Registered) -> None:
        confirm(reception)

    @named.upon(Handshake.finished).to(established)
    def letIn(machine: Handshake, reception: Reception) -> None:
        reception.desk.established()

    @nameless.upon(Handshake.finished).to(over)
    def refuseNameless(machine: Handshake, reception: Reception) -> None:
        refuse(reception, ProtocolError(NO_NAME))

    @named.upon(Handshake.registered).to(over)
    def refuseSecond(machine: Handshake, reception: Reception, number: int, register: Register) -> None:
        refuse(reception, ProtocolError(ONLY_ONE))

    for idle in (awaiting, nameless, named):

        @idle.upon(Handshake.broken).to(over)
        def reject(machine: Handshake, reception: Reception, error: Refused | ProtocolError) -> None:
            refuse(reception, error)

        @idle.upon(Handshake.garbled).to(over)
        def turnAway(machine: Handshake, reception: Reception, error: ProtocolError) -> None:
            reception.desk.over(error)

        @idle.upon(Handshake.timedOut).to(over)
        def hurry(machine: Handshake, reception: Reception, error: Refused) -> None:
            refuse(reception, error)

        @idle.upon(Handshake.lost).to(over)
        def leave(machine: Handshake, reception: Reception, error: DiglettError) -> None:
            reception.desk.over(error)

    for busy in (checking, reserving):

        @busy.upon(Handshake._denied).to(over)
        def deny(machine: Handshake, reception: Reception, pending: Pending, error: Refused) -> None:
            refuse(reception, error)

        @busy.upon(Handshake.lost).to(over)
        def giveUp(machine: Handshake, reception: Reception, pending: Pending, error: DiglettError) -> None:
            pending.cancel()
            reception.desk.over(error)

        @busy.upon(Handshake.timedOut).to(over)
        def giveUpSaying(machine: Handshake, reception: Reception, pending: Pending, error: Refused) -> None:
            pending.cancel()
            refuse(reception, error)

    lates = (Handshake.lost, Handshake.timedOut, Handshake._granted, Handshake._claimed, Handshake._denied)
    for end in (established, over):
        for late in lates:
            end.upon(late).loop().returns(None)
    return builder.build()


_newMachine = _machine()


class V1GatewayHandshake:
    """Bytes in, bytes out; the desk hears how it ends. The caller keeps the time and passes `rest` to the mux."""

    theirs = SILENT_HELLO
    """What the agent said of itself."""

    def __init__(self, send: Callable[[bytes], None], desk: Desk) -> None:
        self._reader = PrefaceReader()
        self._loggedIn = False
        self._reading = True
        self._stepping = False
        self._machine = _newMachine(Reception(send, desk, proceed=self._proceed))

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
        self._reading = False
        self._machine.lost(error)

    def timeOut(self, error: Refused) -> None:
        """It took too long."""
        self._reading = False
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
            while self._reading and (frame := self._reader.frame()) is not None:
                self._reading = False
                self._handle(frame)
        except (Refused, ProtocolError) as error:
            self._reading = False
            self._machine.broken(error)
        finally:
            self._stepping = False

    def _handle(self, frame: Frame) -> None:
        machine = self._machine
        if frame.kind not in _KINDS:
            machine.garbled(ProtocolError(f"a frame of kind {frame.kind} in the handshake"))
        elif not self._loggedIn and frame.kind == Kind.LOGIN:
            self._loggedIn = True
            # It has no identity that would last: two links are never the same agent's.
            machine.loggedIn(Login(token=_token(frame.payload), agent=secrets.token_hex(16)))
        elif self._loggedIn and frame.kind == Kind.REGISTER:
            machine.registered(frame.id & 0xFFFF, Register(name=_text(frame.payload, NAME_MAX)))
        elif self._loggedIn and frame.kind == Kind.FINISH_REGISTER:
            machine.finished()
        else:
            raise ProtocolError(UNEXPECTED)


def _token(payload: bytes) -> str:
    token = _text(payload, TOKEN_MAX)
    if token == REFUSED_TOKEN:
        raise LoginRefused("the original never takes this token")
    return token


def _text(payload: bytes, most: int) -> str:
    """As the original reads texts: what is not UTF-8 is replaced, which makes it no valid name, and no known token."""
    if len(payload) > most:
        raise ProtocolError(f"a text of {len(payload)} bytes (at most {most})")
    return payload.decode("utf-8", "replace")
