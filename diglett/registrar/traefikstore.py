"""Traefik's configuration in a store several gateways share: names are claimed there, and leased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from zope.interface import implementer

from diglett.asking import NoAnswer, ask
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
        self._prepared = False
        """Whether the store has been reached once, and is free of what a predecessor left."""
        self._missed = False
        """It was not there at the start."""
        self._published: dict[str, _Published] = {}
        self._owed: dict[str, dict[str, str]] = {}
        """Claims, and their keys, that should have been released, and could not be."""
        # One thing at a time: renewing must not bring back what is just being released.
        self._turn = DeferredLock()
        self._upkeep = Upkeep(self._renew, context.reactor, ttl / 6, context.log, "renew the leases")

    async def start(self) -> None:
        """Reach the store, and remove what a predecessor left there; if it is not there yet, do so when it comes."""
        try:
            await self._prepare()
        except UsageError:
            await self._store.close()
            raise
        except Exception as error:
            self._missed = True
            self._log.error(
                "the store of Traefik's routes cannot be reached, and no name published until it can: {reason}",
                reason=_reason(error),
            )
        self._way.announce("Traefik")
        self._upkeep.start()

    async def _prepare(self) -> None:
        await self._ask(lambda: self._store.prepare(f"{self._root}/{SENTINEL}"))
        self._prepared = True
        if self._missed:
            self._log.info("the store of Traefik's routes has been reached")

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
            if not self._prepared:
                await self._prepare()
            try:
                other = await self._ask(lambda: self._store.claim(claim, keys))
            except (CancelledError, NoAnswer):
                raise
            except Exception:
                await self._renewAll()  # the store may have forgotten us altogether
                other = await self._ask(lambda: self._store.claim(claim, keys))
        except CancelledError:
            raise
        except Exception as error:
            self._log.error("the store of Traefik's routes: {reason}", reason=_reason(error))
            raise Refused(
                f"{registration.fqdn} could not be published: the store of Traefik's routes cannot be reached",
                code="publish-failed",
            ) from error
        if other is not None:
            raise _taken(registration)
        self._owed.pop(claim, None)
        self._published[claim] = _Published(registration, keys)

    async def _release(self, registration: Registration) -> None:
        claim, keys = CLAIMS + registration.fqdn, self._routes.keys(registration, self._root)
        self._published.pop(claim, None)
        if self._prepared:  # else nothing was ever there
            self._owed[claim] = keys
            await self._pay(claim, keys)

    async def _pay(self, claim: str, keys: Mapping[str, str]) -> None:
        await self._ask(lambda: self._store.release(claim, keys))
        self._owed.pop(claim, None)

    def _renew(self) -> Any:
        return self._turn.run(self._renewAll)

    async def _renewAll(self) -> None:
        if not self._prepared:
            await self._prepare()
        claimed = {claim: published.keys for claim, published in self._published.items()}
        others = await self._ask(lambda: self._store.renew(claimed, f"{self._root}/{SENTINEL}"))
        for claim, owner in others.items():
            registration = self._published.pop(claim).registration
            self._log.error("{name} belongs to the gateway {owner} now", name=registration.fqdn, owner=owner)
            if registration.lose is not None:
                registration.lose(str(_taken(registration)))
        for claim, keys in list(self._owed.items()):
            await self._pay(claim, keys)

    def _ask(self, call: Callable[[], Any]) -> Deferred[Any]:
        asked = ask(call, _TIMEOUT, self._clock)
        self._asked.add(asked)

        def answered(result: Any) -> Any:
            self._asked.discard(asked)
            return result

        return asked.addBoth(answered)


def make(store: Store, options: dict[str, list[str]], context: PluginContext, ttl: float) -> TraefikStore:
    """The registrar over a store, with the options all stores have."""
    routes = Routes.parse(options)
    way = Routing.parse(options, context, guess=routes.doors())
    return TraefikStore(store, root(options), routes, way, context, ttl)


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
