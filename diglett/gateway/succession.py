"""Several gateways on the same listening sockets (systemd's): one serves, the next one does as soon as it stops.

Who serves holds the lock of a file in the state folder. The kernel takes it from a process that dies, so a gateway that
waits is a standby as well. Whoever stops in order leaves word in that file of the names it had: their agents are about
to come back, and visitors need not be sent away meanwhile.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

from twisted.internet.defer import Deferred, succeed

from diglett.errors import UsageError

POLL = 0.05
"""Seconds between looks at the lock."""
FRESH = 10.0
"""Seconds for which the word of a predecessor counts."""
_MOST = 1_048_576

Names = list[tuple[str, str]]
"""Pairs of a name and its kind."""


def isShared(description: str) -> bool:
    """Whether this endpoint's socket may be another process's as well."""
    return description.removeprefix("haproxy:").startswith("systemd:")


class Succession:
    """One process's place in the line. `address` is what the agents' listening socket is bound to."""

    def __init__(self, clock: Any, state: Path, address: Any, wallClock: Callable[[], float] = time) -> None:
        """Raises UsageError: the file cannot be used."""
        import fcntl  # not everywhere; neither is systemd

        where = "-".join(map(str, address[:2])) if isinstance(address, tuple) else str(address)
        path = state / f"serving-{re.sub(r'[^A-Za-z0-9.]+', '-', where).strip('-')}.lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"cannot use {path}: {error.strerror}") from None
        self._flock = lambda: fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._clock = clock
        self._wallClock = wallClock
        self._timer: Any = None
        self._serves = False

    def turn(self, waiting: Callable[[], None]) -> Deferred[Names]:
        """Fires when it is our turn to serve, with the names that a predecessor had who has just stopped.

        `waiting` is called when another one serves, and does not stop at once. May be cancelled.
        """
        if self._taken():
            return succeed(self._word())
        turn: Deferred[Names] = Deferred(lambda _: self._timer.cancel())

        def look(first: bool) -> None:
            if self._taken():
                turn.callback(self._word())
                return
            if first:
                waiting()
            self._timer = self._clock.callLater(POLL, look, False)

        self._timer = self._clock.callLater(POLL, look, True)
        return turn

    def leave(self, names: Names) -> None:
        """Ours is over, whether it has come or not: the next one's now."""
        if self._fd == -1:
            return
        try:
            if self._serves and names:
                os.pwrite(self._fd, json.dumps({"at": self._wallClock(), "names": names}).encode(), 0)
        except OSError:
            pass  # a full disk: visitors who come before the agents are sent away
        finally:
            os.close(self._fd)  # and with it goes the lock
            self._fd = -1

    def _taken(self) -> bool:
        try:
            self._flock()
        except OSError:
            return False
        self._serves = True
        return True

    def _word(self) -> Names:
        """What the last one has left; it counts once."""
        try:
            said = json.loads(os.pread(self._fd, _MOST, 0) or b"{}")
            os.ftruncate(self._fd, 0)
            if abs(self._wallClock() - said.get("at", 0.0)) > FRESH:
                return []
            return [(str(name), str(kind)) for name, kind in said["names"]]
        except (OSError, ValueError, TypeError, AttributeError, LookupError):
            return []
