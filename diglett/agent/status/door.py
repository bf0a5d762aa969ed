"""Where a running agent is asked: one line of JSON in, one line out."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from diglett.agent.status.sockets import listenIn
from diglett.errors import DiglettError

log = Logger()

LINE_MAX = 16_384
"""Bytes of a question."""
ASKING_TIMEOUT = 5.0
"""Seconds in which a question must come."""
CALLERS_MAX = 8

Answer = Callable[[Mapping[str, Any]], "Deferred[dict[str, Any]]"]


class Door:
    """Open from `open` to `close`. An agent whose door cannot be opened does its work all the same, and says why."""

    def __init__(self, reactor: Any, state: Path, answer: Answer) -> None:
        self._reactor = reactor
        self._state = state
        self._answer = answer
        self._path: Path | None = None
        self._port: _Port | None = None
        self._factory: _Callers | None = None

    def open(self) -> None:
        """Begin to answer."""
        if not hasattr(self._reactor, "adoptStreamConnection"):
            return
        try:
            listening, self._path = listenIn(self._state)
        except (OSError, DiglettError) as error:
            log.info("`diglett status` will not show this agent: {reason}", event="no-status", reason=str(error))
            return
        self._factory = _Callers(self._reactor, self._answer)
        self._port = _Port(self._reactor, listening, self._factory)
        self._reactor.addReader(self._port)

    def close(self) -> None:
        """Answer no more, and leave nothing behind."""
        if self._port is None or self._path is None or self._factory is None:
            return
        self._reactor.removeReader(self._port)
        self._port.close()
        self._path.unlink(missing_ok=True)
        self._factory.close()
        self._port = None


@implementer(IReadDescriptor)
class _Port:
    """Accepts. Twisted's own port would remove, in the end, the path that the socket had before its present one."""

    def __init__(self, reactor: Any, listening: socket.socket, factory: _Callers) -> None:
        self._reactor = reactor
        self._listening = listening
        self._factory = factory

    def fileno(self) -> int:
        """What to watch."""
        return self._listening.fileno()

    def logPrefix(self) -> str:
        """For Twisted's log."""
        return "status"

    def doRead(self) -> None:
        """Somebody is there."""
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        with connection:
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, self._factory)

    def connectionLost(self, reason: Any) -> None:
        """The reactor ends."""
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()


class _Callers(Factory):
    noisy = False

    def __init__(self, reactor: Any, answer: Answer) -> None:
        self.answer = answer
        self._reactor = reactor
        self.callers: set[_Caller] = set()

    def buildProtocol(self, address: Any) -> _Caller | None:
        """Somebody asks, unless too many do."""
        return _Caller(self) if len(self.callers) < CALLERS_MAX else None

    def later(self, seconds: float, call: Callable[..., Any], *words: Any) -> Any:
        """For time-outs."""
        return self._reactor.callLater(seconds, call, *words)

    def close(self) -> None:
        """Let all go."""
        for caller in list(self.callers):
            caller.hangUp()


class _Caller(LineOnlyReceiver, TimeoutMixin):
    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = LINE_MAX

    def __init__(self, callers: _Callers) -> None:
        self._callers = callers
        self._asked = False

    def callLater(self, period: float, func: Callable[..., Any]) -> Any:
        """See TimeoutMixin."""
        return self._callers.later(period, func)

    def connectionMade(self) -> None:
        """Hear what it wants, but not for ever."""
        self._callers.callers.add(self)
        self.setTimeout(ASKING_TIMEOUT)

    def lineReceived(self, line: bytes) -> None:
        """The one question."""
        if self._asked:
            return
        self._asked = True
        self.setTimeout(None)
        asked = maybeDeferred(self._ask, line)
        asked.addErrback(lambda failure: {"error": _words(failure)})
        asked.addCallback(self._tell)

    def _ask(self, line: bytes) -> Any:
        question = json.loads(line)
        if not isinstance(question, dict):
            raise ValueError("the question is no object")
        return self._callers.answer(question)

    def _tell(self, answer: Any) -> None:
        self.transport.write(json.dumps(answer).encode() + b"\n")
        self.transport.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Nobody has such questions."""
        self.hangUp()

    def hangUp(self) -> None:
        """Without an answer."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """It does not wait for the answer any more."""
        self.setTimeout(None)
        self._callers.callers.discard(self)


def _words(failure: Failure) -> str:
    if not isinstance(failure.value, ValueError):
        log.failure("a bug in answering", failure=failure)
    return failure.getErrorMessage()
