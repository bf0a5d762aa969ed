"""Version 1, the original protocol: what people must know before they use it, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diglett.config.tunnel import TunnelConfig
from diglett.errors import UsageError

V1_WARNING = (
    "version 1 of the protocol does not prove who the gateway is, does not notice what is changed on the way, and "
    "its encryption can be undone by whoever listens: use it only in a network that you trust"
)


def checkV1(settings: Mapping[str, Any], tunnels: Sequence[TunnelConfig]) -> None:
    """
    See that an agent was told nothing that version 1 has no way to do: trust
    that was asked for, above all, must not be left out in silence.

    Raises UsageError, saying what is too much.
    """
    for option in ("ca", "pin", "certificate"):
        if settings.get(option):
            raise UsageError(f"{option} is of no use with protocol v1, which verifies nobody: leave out one of them")
    if len(tunnels) > 1:
        raise UsageError(f"protocol v1 has room for one name, not {len(tunnels)}: start an agent for each")
    for tunnel in tunnels:
        if tunnel.type != "http" or tunnel.share:
            raise UsageError(f"protocol v1 knows no {'share' if tunnel.share else 'type'}: leave it out")
