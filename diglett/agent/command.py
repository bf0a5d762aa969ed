"""The command `diglett`, once its words are read: everything is put together here, run, and ended."""

from __future__ import annotations

import signal
from typing import Any

from diglett.agent.report import JsonReporter, Reporters, TextReporter
from diglett.agent.status.board import Board
from diglett.config.agent import AgentConfig
from diglett.errors import DiglettError, Refused
from diglett.state import stateFolder


def run(config: AgentConfig) -> int:
    """Run the agent until it is stopped; the exit status: 0 asked to, 1 given up (`--once`), 3 refused for good."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, until the reactor runs
    from twisted.internet import reactor

    from diglett.agent.logging import startLogging
    from diglett.agent.status.answers import Answers
    from diglett.agent.status.door import Door

    startLogging(config.debug, config.logFormat)
    clock: Any = reactor
    reporter = (
        JsonReporter(str(config.gateway))
        if config.logFormat == "json"
        else TextReporter(clock.seconds, str(config.gateway))
    )
    ended: list[DiglettError | None] = []
    board = Board()
    service = makeAgent(reactor, config, Reporters(reporter, board))
    door = Door(reactor, stateFolder(config.state), Answers(board, service, str(config.gateway)))

    def over(error: DiglettError | None) -> None:
        ended.append(error)
        door.close()
        reporter.stopped(error)
        if clock.running:
            clock.stop()

    def begin() -> None:
        service.done.addCallback(over)
        door.open()
        service.startService()

    clock.callWhenRunning(begin)
    _onSignals(clock, service)
    clock.run(installSignalHandlers=False)
    error = ended[0] if ended else None
    if error is None:
        return 0
    return 3 if isinstance(error, Refused) and error.permanent else 1


def _onSignals(reactor: Any, service: Any) -> None:
    """The first signal lets running streams finish, the second does not."""
    asked: list[int] = []

    def stop(number: int, frame: Any) -> None:
        asked.append(number)
        reactor.callFromThread(service.stopService if len(asked) == 1 else service.abandon)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def makeAgent(reactor: Any, config: AgentConfig, reporter: Any) -> Any:
    """The agent as a service. Raises UsageError."""
    from diglett.agent.parts import makeParts
    from diglett.agent.service import AgentService

    parts = makeParts(reactor, config)
    plane = parts.plane
    service = AgentService(
        plane, parts.target, parts.trust, parts.token, parts.tunnels, reporter, config.once, parts.dialling
    )
    # It is over when the backends have got the last of what visitors sent.
    service.done.addCallback(lambda error: plane.close().addCallback(lambda _: error))
    return service
