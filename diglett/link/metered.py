"""A channel that may carry only so many bytes a second, together with others of the same account."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from diglett.plane.channel import WOULD_BLOCK, Channel

BURST = 0.1
"""Seconds of the rate that may be saved up."""
_SOONEST = 0.005


class Allowance:
    """What an account may move. Who moves more than there is makes a debt, and all wait until that is paid, in turn."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._rate: int | None = None
        self._credit = 0.0
        self._since = clock.seconds()
        self._waiting: OrderedDict[Metered, None] = OrderedDict()
        self._timer: Any = None

    @property
    def broke(self) -> bool:
        """Whether more was spent than there was."""
        return self._credit < 0 and self._rate is not None

    def spend(self, size: int, rate: int | None) -> None:
        """So many bytes have been moved; `rate` is in bytes per second, None for as many as one likes."""
        self._refill(rate)
        self._credit -= size

    def wait(self, member: Metered) -> None:
        """Call its `relieved` when the debt is paid."""
        self._waiting[member] = None
        if self._timer is None:
            self._schedule()

    def forget(self, member: Metered) -> None:
        """It waits no more."""
        self._waiting.pop(member, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refill(self, rate: int | None) -> None:
        now = self._clock.seconds()
        if self._rate is None or rate is None:
            self._credit = (rate or 0) * BURST
        else:
            self._credit = min(self._credit + (now - self._since) * self._rate, rate * BURST)
        self._rate = rate
        self._since = now

    def _schedule(self) -> None:
        rate = self._rate or 1
        self._timer = self._clock.callLater(max(_SOONEST, -self._credit / rate), self._again)

    def _again(self) -> None:
        self._timer = None
        self._refill(self._rate)
        waiting = self._waiting
        while waiting and not self.broke:
            waiting.popitem(last=False)[0].relieved()
        if waiting and self._timer is None:
            self._schedule()


class Metered:
    """A channel between a link and what carries it.

    While there is debt nothing is read, and the channel counts as busy: so both sides' senders wait, as they do for a
    slow network, and nothing is lost.
    """

    owner: Any
    """`Owner`; None once it is over, for a circle of garbage would keep OpenSSL's buffers for long."""

    def __init__(self, channel: Channel, allowance: Allowance, rate: Callable[[], int | None]) -> None:
        self.peer = channel.peer
        self._channel = channel
        self._allowance = allowance
        self._rate = rate
        self._reading = False
        self._held = False
        channel.owner = self

    # ---- what the channel below calls ----------------------------------------------------------------------------

    def readable(self) -> None:
        self.owner.readable()

    def drained(self, size: int) -> None:
        self.owner.drained(size)

    def broken(self, error: Exception) -> None:
        self._reading = False
        self._allowance.forget(self)
        self.owner.broken(error)

    # ---- what the allowance calls --------------------------------------------------------------------------------

    def relieved(self) -> None:
        """There is no debt any more: it is this one's turn."""
        self._held = False
        if self.owner is None:
            return
        self.owner.drained(0)  # what is to be written may have waited for this only
        if self._reading and not self._held:
            self._channel.resumeReading()
            self.owner.readable()

    def _spend(self, size: int) -> None:
        self._allowance.spend(size, self._rate())
        if self._allowance.broke:
            self._hold()

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._channel.pauseReading()
            self._allowance.wait(self)

    # ---- what the owner calls ------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        return self._channel.queued or int(self._held)

    def readInto(self, view: memoryview) -> int:
        if self._allowance.broke:
            self._hold()
            return WOULD_BLOCK
        size = self._channel.readInto(view)
        if size > 0:
            self._spend(size)
        return size

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        sent = self._channel.write(parts, size)
        self._spend(size)
        return sent

    def pauseReading(self) -> None:
        self._reading = False
        self._channel.pauseReading()

    def resumeReading(self) -> None:
        self._reading = True
        if not self._held:
            self._channel.resumeReading()

    def finish(self) -> None:
        self._channel.finish()

    def close(self) -> None:
        self._reading = False
        self._allowance.forget(self)
        self._channel.close()
        self.owner = None

    def abort(self) -> None:
        self._reading = False
        self._allowance.forget(self)
        self._channel.abort()
        self.owner = None

    def localAddress(self) -> Any:
        return self._channel.localAddress()

    def option(self, level: int, name: int, value: int | bytes) -> None:
        self._channel.option(level, name, value)
