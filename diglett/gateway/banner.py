"""What the gateway says at its start: where it listens, its fingerprint, and what to paste."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diglett.config.gateway import GatewayConfig
from diglett.config.v1 import V1_WARNING
from diglett.plane.channel import Listener


def banner(
    config: GatewayConfig,
    listener: Listener,
    fronts: Any,
    admin: Listener | None,
    fingerprint: str,
    authority: Any,
    authenticator: Any,
) -> Iterator[str]:
    """The lines, in order."""
    port = portOf(listener)
    yield f"diglett-server: agents connect to {f'{config.domain}:{port}' if port else config.listen}"
    yield from (f"diglett-server: {line}" for line in fronts.describe())
    if admin is not None:
        yield f"diglett-server: admin pages are at {_url(admin.address())}"
    yield f"diglett-server: fingerprint {fingerprint}"
    for message in authenticator.messages():
        yield f"diglett-server: {message}"
    if config.allowV1:
        yield f"diglett-server: warning: --allow-v1 is on, and {V1_WARNING}"
    yield "diglett-server: connect an agent with"
    yield "    " + agentCommand(config, port, fingerprint, authority is not None)


def agentCommand(config: GatewayConfig, port: int, fingerprint: str, local: bool) -> str:
    """What to paste. On `localhost` an agent of the same user needs neither trust nor token spelled out."""
    gateway = config.domain if port in (20000, 0) else f"{config.domain}:{port}"
    if config.domain == "localhost":
        return f"diglett -g {gateway} -n example localhost:9000"
    pin = f" --pin {fingerprint}" if local else ""
    return f"diglett -g {gateway}{pin} --token-file FILE -n example localhost:9000"


def portOf(listener: Listener) -> int:
    """The port of a TCP listener; 0 for others."""
    address = listener.address()
    return address[1] if isinstance(address, tuple) else 0


def _url(address: Any) -> str:
    if not isinstance(address, tuple):
        return f"unix:{address}"
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}/"
