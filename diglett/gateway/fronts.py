"""The embedded public fronts: which listen, what their URLs are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from diglett.config.gateway import GatewayConfig
from diglett.gateway.banner import portOf
from diglett.plane.channel import Channel, Listener


class Fronts:
    """The HTTP and the HTTPS front; the first that is on gives the URL people are told."""

    def __init__(self, plane: Any, config: GatewayConfig, credentials: Any, authority: Any) -> None:
        self._config = config
        self._ports: dict[str, int] = {}

    def start(self, registry: Any, agents: Any) -> Iterator[tuple[str, str, Callable[[Channel], None]]]:
        yield from ()

    def listening(self, option: str, listener: Listener) -> None:
        self._ports[option] = portOf(listener)

    def urls(self, fqdn: str, kind: str) -> tuple[str, ...]:
        return ()

    def describe(self) -> Iterator[str]:
        yield from ()
