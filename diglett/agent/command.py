"""The command `diglett`, once its words are read: everything is put together here, run, and ended."""

from __future__ import annotations

import signal
from typing import Any

from diglett.agent.report import JsonReporter, TextReporter
from diglett.config.agent import AgentConfig
from diglett.errors import DiglettError, Refused


def run(config: AgentConfig) -> int:
    """Run the agent until it is stopped; the exit status: 0 asked to, 1 given up (`--once`), 3 refused for good."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, until the reactor runs
    from twisted.internet import reactor

    from diglett.agent.agent import Agent
    from diglett.agent.logging import startLogging
    from diglett.plane.limits import raiseDescriptorLimit

    raiseDescriptorLimit()
    startLogging(config.debug, config.logFormat)
    clock: Any = reactor
    reporter = (
        JsonReporter(str(config.gateway))
        if config.logFormat == "json"
        else TextReporter(clock.seconds, str(config.gateway))
    )
    ended: list[DiglettError | None] = []
    agent = Agent(reactor, config, reporter, _Settling())

    def over(error: DiglettError | None) -> None:
        ended.append(error)
        reporter.stopped(error)
        if clock.running:
            clock.stop()

    def begin() -> None:
        agent.done.addCallback(over)
        agent.start()

    clock.callWhenRunning(begin)
    _onSignals(clock, agent.service)
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


class _Settling:
    """A reporter that tells Python's memory, of which all is ours here, that everything is loaded."""

    def up(self, lines: Any, again: bool) -> None:
        from diglett.plane.limits import settle

        settle()

    def retrying(self, error: DiglettError, delay: float) -> None: ...

    def lost(self, error: DiglettError) -> None: ...

    def moving(self) -> None: ...
