"""Traefik's dynamic configuration for what is published: one document, or the same as keys of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from diglett.errors import UsageError
from diglett.registrar import routing
from diglett.registrar.routing import address, single

if TYPE_CHECKING:
    from diglett.interfaces import Registration

KINDS = ("http", "tls")

OPTIONS = ("entrypoint", "tls", "certresolver")
"""The options `Routes.parse` understands."""


@frozen
class Routes:
    """What a router gets besides its rule.

    Traefik puts a router without entry points on every one of them, the
    internal too; so there always are some.
    """

    entryPoints: tuple[str, ...]
    tls: bool
    resolver: str

    @classmethod
    def parse(cls, options: dict[str, list[str]]) -> Routes:
        """From `entrypoint=` (repeatable), `tls=yes|no` and `certresolver=`."""
        tls = single(options, "tls", "yes")
        if tls not in ("yes", "no"):
            raise UsageError("tls is yes or no")
        return cls(tuple(options.get("entrypoint", ["websecure"])), tls == "yes", single(options, "certresolver", ""))

    def doors(self) -> dict[str, str]:
        """Where Traefik is, if it is where it usually is."""
        return {"http": routing.FRONT if self.tls else "http://127.0.0.1:80", "tls": routing.FRONT}

    def document(self, registrations: Iterable[Registration]) -> dict[str, Any]:
        """The configuration as the file and HTTP providers read it; `{}` for nothing."""
        document: dict[str, Any] = {}
        for registration in registrations:
            for protocol, part in self._route(registration).items():
                for section, entries in part.items():
                    document.setdefault(protocol, {}).setdefault(section, {}).update(entries)
        return document

    def keys(self, registration: Registration, root: str) -> dict[str, str]:
        """The configuration of one as Redis and etcd hold it."""
        return dict(_flat(root, self._route(registration)))

    def _route(self, registration: Registration) -> dict[str, Any]:
        return (self._tcp if registration.kind == "tls" else self._http)(registration)

    def _http(self, registration: Registration) -> dict[str, Any]:
        key = registration.fqdn
        router: dict[str, Any] = {
            "rule": f"Host(`{registration.fqdn}`)",
            "entryPoints": list(self.entryPoints),
            "service": key,
        }
        if self.tls:
            router["tls"] = {"certResolver": self.resolver} if self.resolver else {}
        balancer = {
            "servers": [{"url": f"http://{address(registration.host, registration.port)}"}],
            "passHostHeader": True,
            "responseForwarding": {"flushInterval": "-1ms"},  # at once: events, long polls
        }
        return {"http": {"routers": {key: router}, "services": {key: {"loadBalancer": balancer}}}}

    def _tcp(self, registration: Registration) -> dict[str, Any]:
        key = registration.fqdn
        router = {
            "rule": f"HostSNI(`{registration.fqdn}`)",
            "entryPoints": list(self.entryPoints),
            "service": key,
            "tls": {"passthrough": True},
        }
        balancer: dict[str, Any] = {"servers": [{"address": address(registration.host, registration.port)}]}
        part: dict[str, Any] = {"routers": {key: router}, "services": {key: {"loadBalancer": balancer}}}
        if registration.proxyProtocol:
            balancer["serversTransport"] = key
            part["serversTransports"] = {key: {"proxyProtocol": {"version": 2}}}
        return {"tcp": part}


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if not value:
            yield path, "true"  # as in routers/NAME/tls
        for key, inner in value.items():
            yield from _flat(f"{path}/{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(f"{path}/{index}", inner)
    else:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)
