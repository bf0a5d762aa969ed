"""A file that is read again whenever somebody changed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from diglett.errors import UsageError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.logger import Logger

Value = TypeVar("Value")


class WatchedFile(Generic[Value]):
    """What `parse` makes of the content of `path`, as `value`.

    The file is looked at every `interval` seconds and whenever `check` is
    called. If it cannot be read or understood any more, the last good value
    stays, and the log says so. At most `limit` bytes are read.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], Value],
        clock: IReactorTime,
        log: Logger,
        *,
        interval: float = 2.0,
        limit: int = 4 * 1024 * 1024,
    ) -> None:
        self.path = path
        self.value: Value
        self._parse = parse
        self._clock = clock
        self._log = log
        self._interval = interval
        self._limit = limit
        self._stamp: tuple[int, ...] | None = None
        self._changed: Callable[[], None] | None = None
        self._next: IDelayedCall | None = None

    def start(self, changed: Callable[[], None]) -> None:
        """Read it for the first time; `UsageError` if that fails. `changed` is called when `value` changed."""
        self._stamp = self._look()
        self.value = self._read()
        self._changed = changed
        self._next = self._clock.callLater(self._interval, self._tick)

    def stop(self) -> None:
        """Watch no longer."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def check(self) -> None:
        """Read it again if it is not as it was."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            value = self._read()
        except UsageError as error:
            self._log.error("{error}; going on with what it was before", error=str(error))
            return
        if value != self.value:
            self.value = value
            self._log.info("{path} has changed and was read again", path=str(self.path))
            if self._changed is not None:
                self._changed()

    def _tick(self) -> None:
        self._next = self._clock.callLater(self._interval, self._tick)
        self.check()

    def _look(self) -> tuple[int, ...] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)

    def _read(self) -> Value:
        try:
            with self.path.open("rb") as file:
                data = file.read(self._limit + 1)
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror}") from None
        if len(data) > self._limit:
            raise UsageError(f"{self.path} is larger than {self._limit} bytes")
        try:
            return self._parse(data)
        except UsageError as error:
            raise UsageError(f"{self.path}: {error}") from None
