"""The tunnels an agent was asked for: names, backends, and how the two are paired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from attrs import frozen

from diglett.config.backend import Backend, parseBackend
from diglett.config.toml import Kind
from diglett.errors import UsageError
from diglett.names import normalizeName

TunnelType = Literal["http", "tls", "tcp"]

TYPES = ("http", "tls", "tcp")

KEYS: dict[str, Kind] = {"name": "text", "backend": "text", "type": "text", "share": "flag"}
"""What a `[[tunnel]]` table may hold."""

EXAMPLE = "diglett -g gateway.com -n example localhost:9000"


@frozen
class TunnelConfig:
    """
    One name and what it stands for; a name of None is a random one.

    `type` is what visitors speak: `http` (the gateway routes requests and may
    end TLS), `tls` (passed through untouched, by SNI) or `tcp` (only through
    the listening port). `share`: other agents of the account may have the
    name too, and visitors are spread over all.
    """

    name: str | None
    backend: Backend
    type: TunnelType = "http"
    share: bool = False


def pairTunnels(parts: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """
    Pair the words of a command line, in their order: `name`, `type` and
    `share` belong to the next `backend`. When there is only one backend they
    may follow it as well.

    Raises UsageError when something belongs to no backend or two to one.
    """
    tunnels: list[dict[str, Any]] = []
    pending: dict[str, Any] = {}
    for key, value in parts:
        if key == "backend":
            tunnels.append({**pending, key: value})
            pending = {}
        elif key in pending:
            raise UsageError(f"two --{key} for one BACKEND: write each right before its own")
        else:
            pending[key] = value
    if not pending:
        return tunnels
    if not tunnels:
        raise UsageError(f"no BACKEND: what should be published? For example: {EXAMPLE}")
    if len(tunnels) > 1 or pending.keys() & tunnels[0].keys():
        raise UsageError(f"--{next(iter(pending))} has no BACKEND after it: write it right before its own")
    tunnels[0].update(pending)
    return tunnels


def makeTunnel(settings: Mapping[str, Any], base: str = "") -> TunnelConfig:
    """Check one tunnel's words; relative paths start at the folder `base`."""
    if "backend" not in settings:
        raise UsageError("a tunnel needs a backend")
    name = settings.get("name")
    kind = settings.get("type", "http")
    if kind not in TYPES:
        raise UsageError(f"the type {kind!r} is none of {', '.join(TYPES)}")
    backend = parseBackend(settings["backend"], base)
    if backend.kind == "folder" and kind != "http":
        raise UsageError(f"the folder {backend} can only be served to visitors of type http")
    if backend.kind in ("http", "https") and kind == "tls":
        raise UsageError(
            f"the visitor's TLS reaches the backend untouched with type tls: write "
            f"{backend.host}:{backend.port}, not {backend}"
        )
    return TunnelConfig(
        None if name is None else normalizeName(name),
        backend,
        cast(TunnelType, kind),
        settings.get("share", False),
    )


def checkTunnels(tunnels: Iterable[TunnelConfig]) -> tuple[TunnelConfig, ...]:
    """Let tunnels through that can be published together."""
    found = tuple(tunnels)
    seen: set[str] = set()
    for tunnel in found:
        if tunnel.name is not None and tunnel.name in seen:
            raise UsageError(f"two tunnels have the name {tunnel.name!r}: give each its own")
        if tunnel.name is not None:
            seen.add(tunnel.name)
    return found
