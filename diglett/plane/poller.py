"""One inner epoll (or kqueue) for all hot sockets, as a single descriptor of the reactor.

An epoll is itself pollable, so the reactor sees one `IReadDescriptor`. Each time it is readable a whole batch of events
is handled in one tight loop, and what the batch made dirty (links with frames to send) is flushed at its end: many
streams' frames in one TLS write, without a timer.

*Adaptive polling*: after a batch, keep asking for up to 100 µs before going back to sleep, as long as that pays. A
budget of hits and misses turns it off when it does not (an idle process never polls), and tries again now and then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from diglett.plane.leaving import Leaving
from diglett.plane.readiness import IN, OUT, TROUBLE, Readiness, newReadiness
from diglett.plane.timers import Deadlines, SharedTimers

log = Logger()

TURN = 0.005
"""Seconds that one turn may take before the reactor's timers and other descriptors get theirs."""
SPIN = 0.0001
"""Seconds to keep asking after a batch."""
_EVENTS = 256
_yield: Callable[[], object] = getattr(os, "sched_yield", lambda: None)
_BUDGET_MAX = 8
_BUDGET_START = 4
_RETRY_EVERY = 16


class Polled(Protocol):
    """What a poller watches: a channel or an acceptor."""

    fd: int
    mask: int
    owner: Any

    def writable(self) -> None: ...

    def hungUp(self) -> None:
        """The other side is gone while nobody was reading."""

    def drop(self) -> None:
        """Close the descriptor; nobody is told."""


@implementer(IReadDescriptor)
class Poller:
    """Watches descriptors and runs what becomes due at the end of each batch."""

    def __init__(self, reactor: Any, spin: float | None = None, readiness: Readiness | None = None) -> None:
        self._reactor = reactor
        self._epoll = newReadiness() if readiness is None else readiness
        self._fd = self._epoll.fileno()
        self._watched: dict[int, Polled] = {}
        self._fresh: set[int] = set()
        """Descriptors watched since the batch began: its events are about older ones of the same number."""
        self._batchEnd: list[Callable[[], None]] = []
        self._again: list[Callable[[], None]] = []
        self._timers = SharedTimers(reactor)
        self.linger = self._timers.later
        self.deadlines = Deadlines(reactor)
        self.leaving = Leaving(reactor)
        self._inBatch = False
        self._scheduled: Any = None
        self._closed = False
        self._budget = _BUDGET_START
        self._ticks = 0
        self._spin = SPIN if spin is None else spin
        self._spinEnd = 0.0
        """Until when to keep asking; 0.0: not at all."""
        reactor.addReader(self)

    # ---- what channels call --------------------------------------------------------------------------------------

    def watch(self, polled: Polled, mask: int) -> None:
        """Watch for these events from now on; 0 keeps the descriptor and reports only that the peer is gone."""
        before = polled.mask
        if mask == before or self._closed:
            return
        polled.mask = mask
        if before == -1:
            self._watched[polled.fd] = polled
            self._fresh.add(polled.fd)
            self._epoll.register(polled.fd, mask)
        else:
            self._epoll.modify(polled.fd, mask)

    def forget(self, polled: Polled) -> None:
        """Watch it no more; call this before its descriptor is closed."""
        if polled.mask != -1:
            polled.mask = -1
            del self._watched[polled.fd]
            try:
                self._epoll.unregister(polled.fd)
            except OSError:
                pass

    def handOver(self, polled: Polled, heir: Polled) -> None:
        """The same descriptor is somebody else's from now on, and watched as before."""
        heir.mask, polled.mask = polled.mask, -1
        self._watched[heir.fd] = heir

    def atBatchEnd(self, call: Callable[[], None]) -> None:
        """Run this once, when the events at hand are dealt with."""
        self._batchEnd.append(call)
        if not self._inBatch:
            self._schedule()

    def again(self, call: Callable[[], None]) -> None:
        """Run this in the next round, without waiting for a socket: there are decrypted bytes to be read."""
        self._again.append(call)
        if not self._inBatch:
            self._schedule()

    def later(self, delay: float, call: Callable[..., None], *arguments: Any) -> Any:
        """A timer of the reactor's."""
        return self._reactor.callLater(delay, call, *arguments)

    def seconds(self) -> float:
        """The reactor's time."""
        return float(self._reactor.seconds())

    def _schedule(self) -> None:
        if self._scheduled is None and not self._closed:
            self._scheduled = self._reactor.callLater(0, self._late)

    def _late(self) -> None:
        self._scheduled = None
        self.doRead()

    # ---- what the reactor calls ----------------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "plane"

    def connectionLost(self, reason: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and drop whatever is still watched; no owner is told."""
        if self._closed:
            return
        self._closed = True
        self._reactor.removeReader(self)
        for polled in list(self._watched.values()):
            polled.drop()
        self._timers.cancel()
        self.deadlines.cancel()
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._epoll.close()

    def doRead(self) -> None:
        """One turn: batches until nothing is ready, polling has not paid, or the turn has taken long enough."""
        if self._closed or self._inBatch:
            return
        self._inBatch = True
        try:
            self._turn()
        finally:
            self._inBatch = False
            if self._batchEnd or self._again:
                self._schedule()

    def _turn(self) -> None:
        poll = self._epoll.poll
        spin = self._spin
        turnEnd = perf_counter() + TURN
        spinEnd, self._spinEnd = self._spinEnd, 0.0
        spun = False
        while True:
            events = poll(0, _EVENTS)
            if not events and not self._again and not self._batchEnd:
                if not spinEnd:
                    return
                if perf_counter() < spinEnd:
                    _yield()
                    spun = True
                    continue
                self._budget -= 1
                return
            if spun:
                spun = False
                if self._budget < _BUDGET_MAX:
                    self._budget += 1
            self._batch(events)
            if self._closed:
                return
            now = perf_counter()
            if spin:
                spinEnd = self._spinUntil(now, spin)
            if now > turnEnd:
                if spinEnd:  # a peer that polls would miss an answer that has to wake us first
                    self._spinEnd = spinEnd
                    self._schedule()
                return
            if not spinEnd and len(events) < 2 and not self._again and not self._batchEnd:
                return

    def _spinUntil(self, now: float, spin: float) -> float:
        if self._budget <= 0:
            self._ticks += 1
            if self._ticks % _RETRY_EVERY:
                return 0.0
            self._budget = 1
        return now + spin

    def _batch(self, events: list[tuple[int, int]]) -> None:
        """Deal with these events, and with what became due by that."""
        fresh = self._fresh
        if fresh:
            fresh.clear()
        if self._again:
            again, self._again = self._again, []
            self._run(again)
        watched = self._watched
        for fd, event in events:
            polled = watched.get(fd)
            if polled is None or fd in fresh:
                continue
            try:
                if event == IN == polled.mask:  # as nearly always
                    polled.owner.readable()
                    continue
                if event & OUT:
                    polled.writable()
                    if watched.get(fd) is not polled:
                        continue
                if event & IN & polled.mask:  # else it was paused by what came before it in this batch
                    polled.owner.readable()
                elif event & TROUBLE:
                    polled.hungUp()
            except Exception:
                self._crashed(polled)
        if self._batchEnd:
            calls, self._batchEnd = self._batchEnd, []
            self._run(calls)

    def _run(self, calls: list[Callable[[], None]]) -> None:
        for call in calls:
            try:
                call()
            except Exception:
                log.failure("a bug in a batch")

    def _crashed(self, polled: Polled) -> None:
        """A bug in one connection's code ends that connection and nothing else."""
        log.failure("a bug while serving a connection; it is closed")
        owner = polled.owner
        try:
            polled.abort()  # type: ignore[attr-defined]
            owner.broken(ConnectionAbortedError("internal error"))
        except Exception:
            log.failure("a bug while closing a connection")


def pollingPays() -> bool:
    """Whether adaptive polling makes sense here: another core must be free to do the work waited for."""
    setting = os.environ.get("DIGLETT_POLL", "adaptive")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return setting != "off" and cores > 1 and hasattr(os, "sched_yield")
