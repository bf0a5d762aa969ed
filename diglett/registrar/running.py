"""Running programs: no shell, a time limit, and no secrets of ours in their environment."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from diglett.asking import ask
from diglett.errors import DiglettError, UsageError

_OUTPUT = 65_536
"""Bytes of output that are kept; more are read and dropped."""


class RunFailed(DiglettError):
    """A program could not be run, or said that it failed."""


@frozen
class Outcome:
    """How it ended (`status` is None if by a signal), and what it wrote."""

    status: int | None
    output: bytes
    errors: bytes

    def check(self, program: str) -> Outcome:
        """Itself if it ended well; else `RunFailed` with the last lines it complained with."""
        if self.status == 0:
            return self
        lines = self.errors.decode("utf-8", "replace").strip().splitlines()
        how = "a signal" if self.status is None else f"status {self.status}"
        raise RunFailed(f"{program} ended with {how}" + (": " + " / ".join(lines[-3:])[:500] if lines else ""))


def splitCommand(text: str) -> list[str]:
    """A command line as words; quotes work, and nothing else that is special to a shell."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the command {text!r} cannot be taken apart: {error}") from None
    if not words:
        raise UsageError("there is no command")
    return words


def run(reactor: Any, command: Sequence[str], document: bytes, timeout: float) -> Deferred[Outcome]:
    """Run it with `document` as its input; it is killed after `timeout` seconds, and when cancelled."""
    return ask(lambda: _Program(document).run(reactor, command), timeout, reactor)


class _Program(ProcessProtocol):
    transport: Any

    def __init__(self, document: bytes) -> None:
        self._document = document
        self._output = {1: b"", 2: b""}
        self._ended: Deferred[Outcome] = Deferred(lambda _: self._kill())

    def run(self, reactor: Any, command: Sequence[str]) -> Deferred[Outcome]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGLETT_")}
        try:
            reactor.spawnProcess(self, command[0], list(command), environment)
        except OSError as error:
            raise RunFailed(f"cannot run {command[0]}: {error.strerror}") from None
        return self._ended

    def connectionMade(self) -> None:
        self.transport.write(self._document)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._output[childFD] = (self._output[childFD] + data)[:_OUTPUT]

    def processExited(self, reason: Failure) -> None:
        # A daemon it left behind may hold the pipes for ever.
        self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        if not self._ended.called:
            ended: Any = reason.value
            self._ended.callback(Outcome(ended.exitCode, self._output[1], self._output[2]))

    def _kill(self) -> None:
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            pass
