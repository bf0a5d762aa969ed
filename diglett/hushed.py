"""A log that strangers cannot fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger, LogLevel

PER = 60.0
"""Seconds in which one cause makes one line."""
MOST = 60
"""Lines that all causes together make in that time."""


class Hushed:
    """For what whoever connects can make us say: the first of equal causes is told, the others are counted.

    Remembers at most `most` causes, for `per` seconds; what comes up beyond is counted only.
    """

    def __init__(self, log: Logger, clock: Callable[[], float], per: float = PER, most: int = MOST) -> None:
        self._log = log
        self._clock = clock
        self._per = per
        self._most = most
        self._since = clock()
        self._told: set[str] = set()
        self._left = 0

    def info(self, cause: str, format: str, **fields: Any) -> None:
        """A line, and what is the same when it is not worth another one: the address and the reason."""
        self._say(LogLevel.info, cause, format, fields)

    def warn(self, cause: str, format: str, **fields: Any) -> None:
        """The same, for what the operator should know of."""
        self._say(LogLevel.warn, cause, format, fields)

    def error(self, cause: str, format: str, **fields: Any) -> None:
        """The same, for what the operator has to see to."""
        self._say(LogLevel.error, cause, format, fields)

    def _say(self, level: Any, cause: str, format: str, fields: dict[str, Any]) -> None:
        now = self._clock()
        if now - self._since >= self._per:
            if self._left:
                self._log.warn(
                    "{count} lines like the next one were left out", event="lines-left-out", count=self._left
                )
            self._since = now
            self._told.clear()
            self._left = 0
        if cause in self._told or len(self._told) >= self._most:
            self._left += 1
            return
        self._told.add(cause)
        self._log.emit(level, format, **fields)
