"""Traefik's configuration in a store several gateways share: names are claimed there, and leased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from zope.interface import implementer

from diglett.asking import ask
from diglett.errors import Refused, UsageError
from diglett.interfaces import IRegistrar
from diglett.registrar import routing, traefik
from diglett.registrar.routing import Lease, Routing, seconds, single
from diglett.registrar.traefik import Routes
from diglett.registrar.upkeep import Upkeep

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

OPTIONS = (*routing.OPTIONS, *traefik.OPTIONS, "root", "ttl", "password-file", "user")

CLAIMS = "diglett/claims/"
"""Before the full name: the key whose value is the gateway that has it."""

SENTINEL = "http/middlewares/diglett-keep/headers/customResponseHeaders/X-Diglett"
"""Traefik passes over a configuration that is empty, so that the last route of all would stay. This never goes."""

_TIMEOUT = 10.0


class Store(Protocol):
    """What holds keys. Every method may raise; `owner` is this gateway."""

    async def prepare(self, sentinel: str) -> None:
        """Put the sentinel there, if it is not; remove what a predecessor of this owner left."""

    async def claim(self, claim: str, keys: Mapping[str, str]) -> str | None:
        """Claim, and put the keys, all or nothing; answers with the owner if that is somebody else."""

    async def release(self, claim: str, keys: Mapping[str, str]) -> None:
        """Remove claim and keys, if the claim is ours."""

    async def renew(self, claimed: Mapping[str, Mapping[str, str]], sentinel: str) -> dict[str, str]:
        """Keep all of them, and put back what is missing; answers with those that others own by now."""

    async def close(self) -> None:
        """Let go of the connection."""


@define
class _Published:
    registration: Registration
    keys: dict[str, str]


@implementer(IRegistrar)
class TraefikStore:
    """Claims a name and routes it in one step; renews all leases; gives them back one by one."""

    def __init__(
        self, store: Store, root: str, routes: Routes, way: Routing, context: PluginContext, ttl: float
    ) -> None:
        self._store = store
        self._root = root
        self._routes = routes
        self._way = way
        self._clock = context.reactor
        self._log = context.log
        self._asked: set[Deferred[Any]] = set()
        self._published: dict[str, _Published] = {}
        # One thing at a time: renewing must not bring back what is just being released.
        self._turn = DeferredLock()
        self._upkeep = Upkeep(self._renew, context.reactor, ttl / 6, context.log, "renew the leases")

    async def start(self) -> None:
        """Reach the store; without it there is nothing to be done here."""
        try:
            await ask(lambda: self._store.prepare(f"{self._root}/{SENTINEL}"), _TIMEOUT, self._clock)
        except Exception as error:
            await self._store.close()
            raise UsageError(f"the store of Traefik's routes: {_reason(error)}") from None
        self._upkeep.start()

    async def stop(self) -> None:
        """Let go of the store, and of what it was asked."""
        self._upkeep.stop()
        for asked in tuple(self._asked):
            asked.cancel()
        await self._store.close()

    async def publish(self, registration: Registration) -> Lease:
        """Claim it and route it."""
        return await self._way.publish(
            registration,
            traefik.KINDS,
            lambda: self._turn.run(self._claim, registration),
            lambda: self._turn.run(self._release, registration),
        )

    async def _claim(self, registration: Registration) -> None:
        claim, keys = CLAIMS + registration.fqdn, self._routes.keys(registration, self._root)
        try:
            other = await self._ask(lambda: self._store.claim(claim, keys))
        except CancelledError:
            raise
        except Exception:
            await self._renewAll()  # the store may have forgotten us altogether
            other = await self._ask(lambda: self._store.claim(claim, keys))
        if other is not None:
            raise _taken(registration)
        self._published[claim] = _Published(registration, keys)

    def _release(self, registration: Registration) -> Any:
        claim = CLAIMS + registration.fqdn
        keys = self._routes.keys(registration, self._root)
        self._published.pop(claim, None)
        return self._ask(lambda: self._store.release(claim, keys))

    def _renew(self) -> Any:
        return self._turn.run(self._renewAll)

    def _renewAll(self) -> Any:
        claimed = {claim: published.keys for claim, published in self._published.items()}

        def renewed(others: dict[str, str]) -> None:
            for claim, owner in others.items():
                registration = self._published.pop(claim).registration
                self._log.error("{name} belongs to the gateway {owner} now", name=registration.fqdn, owner=owner)
                if registration.lose is not None:
                    registration.lose(str(_taken(registration)))

        return self._ask(lambda: self._store.renew(claimed, f"{self._root}/{SENTINEL}")).addCallback(renewed)

    def _ask(self, call: Callable[[], Any]) -> Deferred[Any]:
        asked = ask(call, _TIMEOUT, self._clock)
        self._asked.add(asked)

        def answered(result: Any) -> Any:
            self._asked.discard(asked)
            return result

        return asked.addBoth(answered)


def make(store: Store, options: dict[str, list[str]], context: PluginContext, ttl: float) -> TraefikStore:
    """The registrar over a store, with the options all stores have."""
    return TraefikStore(store, root(options), Routes.parse(options), Routing.parse(options, context), context, ttl)


def root(options: dict[str, list[str]]) -> str:
    """Traefik's `rootKey`."""
    return single(options, "root", "traefik").strip("/")


def leaseTime(options: dict[str, list[str]], default: float) -> float:
    """Seconds after which a dead gateway's names are free."""
    ttl = seconds(options, "ttl", default)
    if not 1 <= ttl:
        raise UsageError("ttl must be 1 second at least")
    return ttl


def _taken(registration: Registration) -> Refused:
    return Refused(f"the name {registration.name} is taken at another gateway", code="name-taken")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
