"""What all registrars that drive a proxy share: the lease, the public URLs, and the proof that it routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen
from twisted.internet.defer import maybeDeferred
from zope.interface import implementer

from diglett.errors import Refused, UsageError
from diglett.interfaces import ILease
from diglett.registrar.probing import Door, Probe

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from diglett.interfaces import PluginContext, Registration

OPTIONS = ("url", "probe", "tls-probe", "probe-timeout")
"""The options `Routing.parse` understands."""

FRONT = "https://127.0.0.1:443"
"""Where a proxy is, most of the time."""

_PROVABLE = ("http", "tls")
"""Kinds of tunnels that are told apart by name, and so can be visited at a door that all share."""


@implementer(ILease)
@frozen
class Lease:
    """The public URLs, and what takes the publication back."""

    urls: tuple[str, ...]
    undo: Callable[[], Any]

    def withdraw(self) -> Any:
        """Take it back."""
        return self.undo()


@define(eq=False)
class Routing:
    """How names are reached through the proxy: `urls` with `{fqdn}` in them, and the proof that they are."""

    context: PluginContext
    urls: tuple[str, ...]
    timeout: float = 10.0
    probes: dict[str, Probe] = field(factory=dict)
    """By kind of tunnel; a kind without one is not proven."""
    settled: frozenset[str] = frozenset(_PROVABLE)
    """The kinds of which the operator has said what to visit; of the others the registrar may."""
    _doubted: set[str] = field(factory=set)

    @classmethod
    def parse(
        cls,
        options: dict[str, list[str]],
        context: PluginContext,
        default: str = "https://{fqdn}",
        guess: Mapping[str, str] | None = None,
    ) -> Routing:
        """From `url=` (repeatable; `none` for none), `probe=` and `tls-probe=` (likewise) and `probe-timeout=`.

        Without a `probe=` the doors are those of `guess`, by kind of tunnel,
        until `learn` knows better. `guess` is None where nothing is to be
        proven unless the operator wants it.
        """
        urls = [url for url in options.get("url", [default]) if url != "none"]
        for url in urls:
            if "{fqdn}" not in url and "{name}" not in url:
                raise UsageError(f"url={url} must have {{fqdn}} or {{name}} in it")
        given = single(options, "probe", "")
        doors = {"http": given, "tls": single(options, "tls-probe", given)}
        settled = frozenset(kind for kind in _PROVABLE if doors[kind] or guess is None)
        way = cls(context, tuple(urls), seconds(options, "probe-timeout", 10.0), settled=settled)
        for kind, target in doors.items():
            if target and target != "none":
                way.probes[kind] = Probe(context.reactor, way.timeout, (Door.parse(target, context.reactor),))
        way.learn({kind: [target] for kind, target in (guess or {}).items()})
        return way

    def learn(self, doors: Mapping[str, Sequence[str]]) -> None:
        """The proxy's doors by kind of tunnel, as far as can be known; what the operator said counts for more."""
        for kind, targets in doors.items():
            if kind in self.settled:
                continue
            if targets:
                places = tuple(Door.parse(target, self.context.reactor) for target in targets)
                self.probes[kind] = Probe(self.context.reactor, self.timeout, places, sure=False)
            else:
                self.probes.pop(kind, None)

    def announce(self, proxy: str) -> None:
        """Tell the operator, once the doors are known, what was not asked for."""
        if "http" in self.settled:
            return
        probe = self.probes.get("http")
        if probe is None:
            self.context.log.warn(
                "{proxy}: where its front door is could not be found out, so names count as reachable without proof; "
                "say it with ,probe=URL (or ,probe=none)",
                proxy=proxy,
            )
        else:
            self.context.log.info(
                "{proxy}: a name counts as reachable when a visit to it through {where} arrives; if the front door is "
                "elsewhere, say it with ,probe=URL (or ,probe=none)",
                proxy=proxy,
                where=probe.where,
            )

    async def publish(
        self,
        registration: Registration,
        kinds: Sequence[str],
        do: Callable[[], Any],
        undo: Callable[[], Any],
    ) -> Lease:
        """Do it, and see that it works; if not, or when cancelled, undo it before the reason is told.

        `do` and `undo` may answer later. Kinds of tunnels other than `kinds` are refused.
        """
        if registration.kind not in kinds:
            raise Refused(
                f"{registration.fqdn} cannot be published as {registration.kind}: the proxy takes "
                + " and ".join(kinds),
                code="kind",
                permanent=True,
            )
        reached = registration.reached() if registration.reached is not None else None
        try:
            await maybeDeferred(do)
            if reached is not None:
                await self._prove(registration, reached)
        except Exception:
            try:
                await maybeDeferred(undo)
            except Exception as error:
                self.context.log.error(
                    "{name} may stay published: {reason}",
                    name=registration.fqdn,
                    reason=str(error) or type(error).__name__,
                )
            raise
        finally:
            if reached is not None:
                reached.addErrback(lambda _: None)
                reached.cancel()
        return Lease(
            tuple(url.replace("{fqdn}", registration.fqdn).replace("{name}", registration.name) for url in self.urls),
            undo,
        )

    async def _prove(self, registration: Registration, reached: Deferred[None]) -> None:
        kind = registration.kind
        probe = self.probes.get(kind)  # `do` may have learned of it
        if probe is not None and await probe.confirm(registration, reached):
            self._doubted.discard(kind)
        elif kind in _PROVABLE and kind not in self.settled | self._doubted:
            self._doubted.add(kind)
            self.context.log.warn(
                "{name} is taken to be reachable, like others of its kind ({kind}), without proof: {why}; "
                "say where the proxy's front door is with ,{option}=URL, or ,{option}=none",
                name=registration.fqdn,
                kind=kind,
                why="nobody knows where to try" if probe is None else f"nobody listens at {probe.where}",
                option="tls-probe" if kind == "tls" else "probe",
            )


def seconds(options: dict[str, list[str]], key: str, default: float) -> float:
    """An option that is a number of seconds, up to an hour."""
    text = options.get(key, [str(default)])[-1]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise UsageError(f"{key}={text} is not a number of seconds")
    return value


def single(options: dict[str, list[str]], key: str, default: str) -> str:
    """An option that is given once at most."""
    values = options.get(key, [default])
    if len(values) > 1:
        raise UsageError(f"{key}= is given more than once")
    return values[0]


def address(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
