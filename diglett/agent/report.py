"""Telling people, or programs, how the agent is: one line to stdout when it is up, the rest to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, TextIO

from diglett.errors import DiglettError, Refused
from diglett.eventlog import timestamp

REMIND = 60.0
"""Seconds after which the same trouble is worth another line."""
TOLD_MAX = 100


class Troubles:
    """Which troubles were told since all was well: where there are several addresses, each fails in its turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}

    def isNews(self, trouble: str) -> bool:
        """Whether to tell it, which counts as done."""
        now = self._clock()
        if now - self._told.get(trouble, -inf) < REMIND:
            return False
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[trouble] = now
        return True

    def over(self) -> None:
        """All is well."""
        self._told.clear()


class TextReporter:
    """Short lines for people."""

    def __init__(
        self,
        clock: Callable[[], float],
        gateway: str,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self._gateway = gateway
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._shown: Sequence[tuple[str, str]] = ()
        self._troubles = Troubles(clock)

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        self._troubles.over()
        if again:
            self._say("connected again")
        if lines != self._shown:
            self._shown = lines
            for url, backend in lines:
                print(f"{url} -> {backend}", file=self._out, flush=True)

    def retrying(self, error: DiglettError, delay: float) -> None:
        if self._troubles.isNews(str(error)):
            self._say(f"{error}; trying again{_hint(error)}")

    def lost(self, error: DiglettError) -> None:
        self._say(f"lost {self._gateway}: {error}; reconnecting")

    def moving(self) -> None:
        self._say(f"{self._gateway} is going away; connecting anew")

    def stopped(self, error: DiglettError | None) -> None:
        """The end, when there is something to say about it."""
        if error is not None:
            self._say(str(error) + _hint(error))

    def warn(self, text: str) -> None:
        """Something to read before the start."""
        self._say(f"warning: {text}")

    def _say(self, text: str) -> None:
        print(f"diglett: {text}", file=self._err, flush=True)


class JsonReporter:
    """The same as one JSON object a line, all on stdout."""

    def __init__(self, gateway: str, out: TextIO | None = None) -> None:
        self._gateway = gateway
        self._out = out or sys.stdout

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        self._write("up", "info", again=again, tunnels=[{"url": url, "backend": backend} for url, backend in lines])

    def retrying(self, error: DiglettError, delay: float) -> None:
        self._write("retrying", "warn", delay=round(delay, 3), **_fields(error))

    def lost(self, error: DiglettError) -> None:
        self._write("lost", "warn", **_fields(error))

    def moving(self) -> None:
        self._write("moving", "info", reason="the gateway is going away", code="draining")

    def stopped(self, error: DiglettError | None) -> None:
        if error is None:
            self._write("stopped", "info", reason="asked to stop", code="asked")
        else:
            self._write("stopped", "error", **_fields(error))

    def warn(self, text: str) -> None:
        self._write("warning", "warn", reason=text)

    def _write(self, event: str, level: str, **fields: Any) -> None:
        line = {"time": timestamp(), "level": level, "event": event, "gateway": self._gateway, **fields}
        print(json.dumps(line), file=self._out, flush=True)


class Reporters:
    """Several at once, in this order."""

    def __init__(self, *reporters: Any) -> None:
        self._reporters = reporters

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        for each in self._reporters:
            each.up(lines, again)

    def retrying(self, error: DiglettError, delay: float) -> None:
        for each in self._reporters:
            each.retrying(error, delay)

    def lost(self, error: DiglettError) -> None:
        for each in self._reporters:
            each.lost(error)

    def moving(self) -> None:
        for each in self._reporters:
            each.moving()


def _fields(error: DiglettError) -> dict[str, Any]:
    return {"reason": str(error), "code": getattr(error, "code", "link-lost")}


_HINTS = {
    "login-refused": " (check --token; the gateway's operator makes one with `diglett-server token add USER`)",
    "name-taken": " (or choose another name with -n)",
    "name-reserved": " (choose another name with -n)",
    "name-not-allowed": " (choose a name that your account may use with -n)",
}


def _hint(error: DiglettError) -> str:
    return _HINTS.get(getattr(error, "code", ""), "") if isinstance(error, Refused) else ""

