"""What is published, written out as a whole by one writer at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from diglett.asking import ask

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

Value = TypeVar("Value")


class Table(Generic[Value]):
    """Entries by key, and `write`, which puts all of them where the proxy reads them.

    While a write is under way changes wait, and then go together: a thousand
    names that come at once cost two writes. `write` may answer later, within
    `timeout` seconds; if it fails, so do the changes that went with it.
    """

    def __init__(
        self, write: Callable[[Mapping[str, Value]], Any], clock: IReactorTime, *, timeout: float = 10.0
    ) -> None:
        self.entries: dict[str, Value] = {}
        self._write = write
        self._clock = clock
        self._timeout = timeout
        self._waiting: list[Deferred[None]] = []
        self._writing = False
        self._stopped = False
        self._asked: Deferred[Any] | None = None

    def put(self, key: str, value: Value) -> Deferred[None]:
        """Fires when it is written. Cancelling ends the waiting only: `remove` it then."""
        self.entries[key] = value
        return self.write()

    def remove(self, key: str) -> Deferred[None]:
        """Fires when what is written does not have it any more."""
        self.entries.pop(key, None)
        return self.write()

    def write(self) -> Deferred[None]:
        """Fires when the entries, as they are now or later, are written."""
        written: Deferred[None] = Deferred()
        self._waiting.append(written)
        if not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._run())
        return written

    def stop(self) -> None:
        """Write no more: what is under way is given up, what waits fails with it."""
        self._stopped = True
        if self._asked is not None:
            self._asked.cancel()

    async def _run(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                outcome: Any = None
                try:
                    if self._stopped:
                        raise CancelledError()
                    self._asked = ask(lambda: self._write(dict(self.entries)), self._timeout, self._clock)
                    await self._asked
                except Exception:
                    outcome = Failure()
                for one in waiting:
                    one.callback(outcome)
        finally:
            self._writing = False
            self._asked = None
