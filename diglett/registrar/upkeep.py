"""What has to be looked after again and again: leases, proxies that forget."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import LoopingCall

from diglett.asking import ask

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime
    from twisted.logger import Logger


class Upkeep:
    """Calls `look`, which may answer later, every `interval` seconds, and once more when asked.

    A failure is logged when it begins and when it is over, not each time;
    `what` completes "could not ...".
    """

    def __init__(
        self, look: Callable[[], Any], clock: IReactorTime, interval: float, log: Logger, what: str
    ) -> None:
        self._look = look
        self._clock = clock
        self._interval = interval
        self._log = log
        self._what = what
        self._failed = ""
        self._looking: Deferred[Any] | None = None
        self._loop = LoopingCall(self._once)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin, with the first look after one interval."""
        self._loop.start(self._interval, now=False)

    def stop(self) -> None:
        """Look no more, and give up the look that is under way."""
        if self._loop.running:
            self._loop.stop()
        if self._looking is not None:
            self._looking.cancel()

    async def _once(self) -> None:
        self._looking = ask(self._look, max(self._interval, 10.0), self._clock)
        try:
            await self._looking
        except CancelledError:
            pass
        except Exception as error:
            reason = str(error) or type(error).__name__
            if reason != self._failed:
                self._log.error("could not {what}, will try again: {reason}", what=self._what, reason=reason)
            self._failed = reason
        else:
            if self._failed:
                self._log.info("can {what} again", what=self._what)
            self._failed = ""
