"""What all registrars that drive a proxy share: the lease, the public URLs, and the proof that it routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import maybeDeferred
from zope.interface import implementer

from diglett.errors import Refused, UsageError
from diglett.interfaces import ILease
from diglett.registrar.probing import Probe

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

OPTIONS = ("url", "probe", "probe-timeout")
"""The options `Routing.parse` understands."""


@implementer(ILease)
@frozen
class Lease:
    """The public URLs, and what takes the publication back."""

    urls: tuple[str, ...]
    undo: Callable[[], Any]

    def withdraw(self) -> Any:
        """Take it back."""
        return self.undo()


@frozen
class Routing:
    """How names are reached through the proxy: `urls` with `{fqdn}` in them, and a probe if one is wanted."""

    context: PluginContext
    urls: tuple[str, ...]
    probe: Probe | None

    @classmethod
    def parse(cls, options: dict[str, list[str]], context: PluginContext, default: str = "https://{fqdn}") -> Routing:
        """From `url=` (repeatable; `none` for none), `probe=` and `probe-timeout=`."""
        urls = [url for url in options.get("url", [default]) if url != "none"]
        for url in urls:
            if "{fqdn}" not in url and "{name}" not in url:
                raise UsageError(f"url={url} must have {{fqdn}} or {{name}} in it")
        timeout = seconds(options, "probe-timeout", 10.0)
        target = options.get("probe", [""])[-1]
        return cls(context, tuple(urls), Probe.parse(target, context.reactor, timeout) if target else None)

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
        reached = registration.reached() if self.probe is not None and registration.reached is not None else None
        try:
            await maybeDeferred(do)
            if self.probe is not None and reached is not None:
                await self.probe.confirm(registration, reached)
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
