"""The agent's handshake of version 1, over a channel that encrypts already: one question, one answer, twice.

    idle -> proving -> claiming -> established
      \\________\\__________\\-> over

FinishRegister has no answer: the link is established as soon as it was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define
from automat import TypeMachineBuilder

from diglett.errors import DiglettError, ProtocolError
from diglett.wire.codec import PrefaceReader
from diglett.wire.frames import Kind, encodeFrame
from diglett.wire.v1.words import decodeError

REGISTRATION = 0
"""The number of the only registration there is."""


@define(eq=False)
class Applicant:
    """What the machine works with."""

    send: Callable[[bytes], None]
    token: bytes
    name: bytes
    established: Callable[[], None]
    failed: Callable[[DiglettError], None]


class Handshake(Protocol):
    """What happens to an agent that wants in."""

    def started(self) -> None:
        """The connection is up, and encrypts."""

    def accepted(self) -> None:
        """An Ok."""

    def refused(self, error: DiglettError) -> None:
        """An Error, or something that breaks the rules."""

    def lost(self, error: DiglettError) -> None:
        """The connection is gone, or the time is over."""


def _machine() -> Callable[[Applicant], Handshake]:
    builder = TypeMachineBuilder(Handshake, Applicant)
    idle = builder.state("idle")
    proving = builder.state("proving")
    claiming = builder.state("claiming")
    established = builder.state("established")
    over = builder.state("over")

    @idle.upon(Handshake.started).to(proving)
    def logIn(machine: Handshake, applicant: Applicant) -> None:
        applicant.send(encodeFrame(Kind.LOGIN, 0, applicant.token))

    @proving.upon(Handshake.accepted).to(claiming)
    def register(machine: Handshake, applicant: Applicant) -> None:
        applicant.send(encodeFrame(Kind.REGISTER, REGISTRATION, applicant.name))

    @claiming.upon(Handshake.accepted).to(established)
    def finish(machine: Handshake, applicant: Applicant) -> None:
        applicant.send(encodeFrame(Kind.FINISH_REGISTER, 0))
        applicant.established()

    for state in (proving, claiming):

        @state.upon(Handshake.refused).to(over)
        def refusedBy(machine: Handshake, applicant: Applicant, error: DiglettError) -> None:
            applicant.failed(error)

    for state in (idle, proving, claiming):

        @state.upon(Handshake.lost).to(over)
        def lostBy(machine: Handshake, applicant: Applicant, error: DiglettError) -> None:
            applicant.failed(error)

    for end in (established, over):
        for late in (Handshake.refused, Handshake.lost):
            end.upon(late).loop().returns(None)
    over.upon(Handshake.accepted).loop().returns(None)
    return builder.build()


_newMachine = _machine()


class V1AgentHandshake:
    """Bytes in, bytes out, and in the end one call: `established()` or `failed(error)`.

    The caller keeps the time, and passes on what `rest` gives to the mux.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        token: str,
        name: str,
        established: Callable[[], None],
        failed: Callable[[DiglettError], None],
    ) -> None:
        self._reader = PrefaceReader()
        self._over = False
        self._answers = 0
        self._established = established
        self._failed = failed
        self._machine = _newMachine(
            Applicant(send, token.encode("utf-8"), name.encode("utf-8"), self._succeed, self._fail)
        )

    @property
    def stage(self) -> str:
        """What the next answer is about: `token` or `name`."""
        return "name" if self._answers else "token"

    granted = 0
    """There is one name, and once it was agreed to all is over."""

    def start(self) -> None:
        """The connection is up, and encrypts."""
        self._machine.started()

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes from the gateway."""
        self._reader.feed(data)
        try:
            while not self._over and self._step():
                pass
        except ProtocolError as error:
            self._machine.refused(error)

    def lose(self, error: DiglettError) -> None:
        """The connection is gone, or the time is over; nothing happens once the handshake has ended."""
        self._machine.lost(error)

    def rest(self) -> bytes:
        """What came behind the handshake."""
        return self._reader.rest()

    def _step(self) -> bool:
        frame = self._reader.frame()
        if frame is None:
            return False
        if frame.kind == Kind.OK:
            self._answers += 1
            self._machine.accepted()
        elif frame.kind == Kind.ERROR:
            self._machine.refused(decodeError(frame.payload))
        else:
            raise ProtocolError(f"a frame of kind {frame.kind} in the handshake")
        return True

    def _succeed(self) -> None:
        self._over = True
        self._established()

    def _fail(self, error: DiglettError) -> None:
        self._over = True
        self._failed(error)
