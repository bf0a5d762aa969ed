"""What programs hear of their tunnels' fortunes: Twisted's log, and from there Python's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent, globalLogPublisher
from zope.interface import provider

from diglett.agent.report import Troubles
from diglett.errors import DiglettError

NAME = "diglett"
log = Logger(namespace=NAME)

_LEVELS = {
    LogLevel.debug: logging.DEBUG,
    LogLevel.info: logging.INFO,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.CRITICAL,
}


class LogReporter:
    """Trouble is a warning, the same trouble once a minute; that all is well is information."""

    def __init__(self, clock: Callable[[], float], gateway: str) -> None:
        self._gateway = gateway
        self._troubles = Troubles(clock)

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        self._troubles.over()
        for url, backend in lines:
            log.info("{url} -> {backend}{again}", url=url, backend=backend, again=" again" if again else "")

    def retrying(self, error: DiglettError, delay: float) -> None:
        if self._troubles.isNews(str(error)):
            log.warn("{reason}; trying again", reason=str(error))

    def lost(self, error: DiglettError) -> None:
        log.warn("lost {gateway}: {reason}; reconnecting", gateway=self._gateway, reason=str(error))

    def moving(self) -> None:
        log.info("{gateway} is going away; connecting anew", gateway=self._gateway)


@provider(ILogObserver)
def toPython(event: dict[str, Any]) -> None:
    """Observe Twisted's log: what we say in it goes to Python's logger `diglett`."""
    namespace = str(event.get("log_namespace"))
    if namespace != NAME and not namespace.startswith(NAME + "."):
        return
    logger = logging.getLogger(NAME)
    level = _LEVELS.get(event["log_level"], logging.INFO)
    if logger.isEnabledFor(level):
        failure = event.get("log_failure")
        trace = None if failure is None else (failure.type, failure.value, failure.getTracebackObject())
        logger.log(level, "%s", formatEvent(event), exc_info=trace)


def startPythonLogging() -> None:
    """From now on `toPython` observes; asking for it again changes nothing."""
    globalLogPublisher.removeObserver(toPython)  # nothing, unless it is there
    globalLogPublisher.addObserver(toPython)
