"""A name is published at every registrar or at none, and withdrawn exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, FirstError, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett.asking import NoAnswer, ask
from diglett.errors import DiglettError, Refused
from diglett.interfaces import ILease

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from diglett.interfaces import IRegistrar, Registration

__all__ = ["Publication", "Publisher"]


class _Part:
    """One registrar's part in a publication, from being asked to having withdrawn.

    Its life is one coroutine, so that there is one lease and one withdrawal
    however the two ends of it meet.
    """

    def __init__(self, label: str, registrar: IRegistrar, registration: Registration) -> None:
        self.label = label
        self.standing: Deferred[ILease] = Deferred()
        self._question = maybeDeferred(registrar.publish, registration)
        self._leave: Deferred[None] = Deferred()
        self._left: Deferred[None] = Deferred()
        Deferred.fromCoroutine(self._live()).addBoth(self._left.callback)

    async def _live(self) -> None:
        try:
            lease = await self._question
            if not ILease.providedBy(lease):
                raise TypeError(f"publish answered with {lease!r}, which provides no ILease")
        except Exception:
            self.standing.errback(Failure())
            return
        self.standing.callback(lease)
        await self._leave
        await maybeDeferred(lease.withdraw)

    def withdraw(self) -> Deferred[None]:
        """Fires when nothing is left of it. To be called once."""
        self._question.cancel()
        self._leave.callback(None)
        return self._left


class Publication:
    """One registration at all the registrars. `urls` are the leases' own, each once."""

    def __init__(self, publisher: Publisher, registration: Registration) -> None:
        self.registration = registration
        self.urls: tuple[str, ...] = ()
        self._publisher = publisher
        self._parts: list[_Part] = []
        self._gone: Deferred[Any] | None = None

    async def _publish(self) -> Publication:
        publisher = self._publisher
        while self._gone is None and self.registration.fqdn in publisher._leaving:
            await _whenFired(publisher._leaving[self.registration.fqdn])
        if self._gone is not None:
            raise Refused("the gateway is shutting down", code="draining")
        for label, registrar in publisher._registrars:
            self._parts.append(_Part(label, registrar, self.registration))
        for part in self._parts:
            part.standing.addTimeout(publisher.publishTimeout, publisher._clock, _noAnswer)
            part.standing.addErrback(publisher._explain, part.label, self.registration)
        try:
            await DeferredList([part.standing for part in self._parts], fireOnOneErrback=True, consumeErrors=True)
        except FirstError as first:
            first.subFailure.raiseException()
        leases: list[Any] = [part.standing.result for part in self._parts]
        self.urls = tuple(dict.fromkeys(url for lease in leases for url in lease.urls))
        return self

    def withdraw(self) -> Deferred[None]:
        """Fires, never with a failure, when every registrar has let go or run out of time.

        May be called at any time and any number of times; only the first counts.
        """
        if self._gone is None:
            publisher = self._publisher
            self._gone = DeferredList([self._withdrawPart(part) for part in self._parts])
            publisher._forget(self, self._gone)
        return _whenFired(self._gone)

    def _withdrawPart(self, part: _Part) -> Deferred[None]:
        publisher = self._publisher

        def failed(failure: Failure) -> None:
            publisher._log.error(
                "{registrar} could not withdraw {name}, which may stay published: {reason}",
                event="withdraw-failed",
                registrar=part.label,
                name=self.registration.fqdn,
                reason=_reason(failure),
            )

        return ask(part.withdraw, publisher.withdrawTimeout, publisher._clock).addErrback(failed)


class Publisher:
    """All the registrars of a gateway, as one.

    `registrars` are pairs of a label for the log and an `IRegistrar`.
    `publishTimeout` and `withdrawTimeout` are the seconds each registrar has.
    """

    def __init__(
        self,
        registrars: Sequence[tuple[str, IRegistrar]],
        clock: IReactorTime,
        *,
        publishTimeout: float = 30.0,
        withdrawTimeout: float = 10.0,
        log: Logger | None = None,
    ) -> None:
        self.publishTimeout = publishTimeout
        self.withdrawTimeout = withdrawTimeout
        self._registrars = tuple(registrars)
        self._clock = clock
        self._log = log or Logger("diglett.publishing")
        self._started: list[tuple[str, IRegistrar]] = []
        self._publications: set[Publication] = set()
        self._leaving: dict[str, Deferred[Any]] = {}

    def start(self) -> Deferred[None]:
        """Start every registrar; if one cannot, stop the others and fail with its reason."""
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        for label, registrar in self._registrars:
            try:
                await ask(registrar.start, self.publishTimeout, self._clock)
            except Exception as error:
                await self._stopRegistrars()
                if isinstance(error, DiglettError):
                    raise
                raise DiglettError(f"registrar {label} could not start: {_reason(Failure())}") from error
            self._started.append((label, registrar))

    def publish(self, registration: Registration) -> Deferred[Publication]:
        """Fires once every registrar has it; fails with a `Refused` fit for the agent if one will not.

        What was done until then is taken back, also if the Deferred is
        cancelled. An earlier publication of the same name is gone first.
        """
        publication = Publication(self, registration)
        self._publications.add(publication)

        def failed(failure: Failure) -> Failure:
            publication.withdraw()
            return failure

        return Deferred.fromCoroutine(publication._publish()).addErrback(failed)

    def stop(self) -> Deferred[None]:
        """Withdraw whatever still stands, then stop the registrars; never fails."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for publication in tuple(self._publications):
            publication.withdraw()
        while self._leaving:
            await _whenFired(next(iter(self._leaving.values())))
        await self._stopRegistrars()

    async def _stopRegistrars(self) -> None:
        while self._started:
            label, registrar = self._started.pop()
            try:
                await ask(registrar.stop, self.withdrawTimeout, self._clock)
            except Exception:
                self._log.error(
                    "registrar {registrar} did not stop well: {reason}",
                    event="registrar-failed",
                    registrar=label,
                    reason=_reason(Failure()),
                )

    def _forget(self, publication: Publication, gone: Deferred[Any]) -> None:
        fqdn = publication.registration.fqdn
        self._publications.discard(publication)
        if fqdn in self._leaving:  # two of one name: a third waits for both
            gone = DeferredList([_whenFired(self._leaving[fqdn]), _whenFired(gone)])
        self._leaving[fqdn] = gone

        def clear(result: Any) -> Any:
            if self._leaving.get(fqdn) is gone:
                del self._leaving[fqdn]
            return result

        gone.addCallback(clear)

    def _explain(self, failure: Failure, label: str, registration: Registration) -> Failure:
        """The agent learns what it can act on, the operator everything."""
        if failure.check(CancelledError):
            return failure
        self._log.error(
            "{registrar} could not publish {name}: {reason}",
            event="publish-failed",
            registrar=label,
            name=registration.fqdn,
            reason=_reason(failure),
        )
        if failure.check(Refused):
            return failure
        what = "did not answer in time" if failure.check(NoAnswer) else "failed"
        text = f"{registration.fqdn} could not be published: {label} {what}; the gateway's log has the reason"
        return Failure(Refused(text, code="publish-failed"))


def _whenFired(source: Deferred[Any]) -> Deferred[None]:
    """A Deferred of one's own that fires with `source`, and whose cancelling does not touch it."""
    waiting: Deferred[None] = Deferred()

    def fire(result: Any) -> Any:
        waiting.callback(None)
        return result

    source.addBoth(fire)
    return waiting


def _noAnswer(_: Any, timeout: float) -> None:
    raise NoAnswer(f"no answer within {timeout:g} s")


def _reason(failure: Failure) -> str:
    if failure.check(DiglettError, NoAnswer):
        return failure.getErrorMessage()
    return f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
