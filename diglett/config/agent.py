"""What the agent was told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from attrs import field, frozen

from diglett.config.address import Address, parseAddress
from diglett.config.token import COMMAND_LINE, TokenSource, tokenSource
from diglett.config.toml import Kind, checkTable, readToml
from diglett.config.tunnel import EXAMPLE, KEYS, TunnelConfig, checkTunnels, makeTunnel
from diglett.config.v1 import V1_WARNING, checkV1
from diglett.errors import UsageError

GATEWAY_PORT = 20000
"""Where a gateway listens for agents unless told otherwise."""

LOG_FORMATS = ("text", "json")
PROTOCOLS = ("tls", "v1")

SETTINGS: dict[str, Kind] = {
    "gateway": "text",
    "token": "text",
    "token-file": "path",
    "ca": "path",
    "pin": "texts",
    "certificate": "path",
    "private-key": "path",
    "protocol": "text",
    "once": "flag",
    "log-format": "text",
    "debug": "count",
    "backend-insecure": "flag",
    "state": "path",
    "tunnel": "tables",
}
"""What the agent's configuration file may hold."""


@frozen
class AgentConfig:
    """
    Everything `diglett` needs to run.

    `pins` are as they were written; `certificate` and `privateKey` are PEM
    files of a client certificate (one file may hold both); `debug` is 0, 1 (debug) or 2 (trace);
    `state` is None for the default folder; `warnings` are for people to read
    before the start.
    """

    gateway: Address
    tunnels: tuple[TunnelConfig, ...]
    token: TokenSource = field(factory=TokenSource)
    ca: str | None = None
    pins: tuple[str, ...] = ()
    certificate: str | None = None
    privateKey: str | None = None
    protocol: Literal["tls", "v1"] = "tls"
    once: bool = False
    logFormat: Literal["text", "json"] = "text"
    debug: int = 0
    backendInsecure: bool = False
    state: str | None = None
    warnings: tuple[str, ...] = ()


def agentConfig(
    given: Mapping[str, Any],
    tunnels: Sequence[Mapping[str, Any]] = (),
    environ: Mapping[str, str] | None = None,
    told: str = COMMAND_LINE,
    local: str | None = None,
) -> AgentConfig:
    """
    Put together what the command line (`given`, under the names of the long
    options, and `tunnels`), the environment and the configuration file say;
    the first that says something about a setting wins. Tunnels on the command
    line take the place of all those in the file.

    `told` is who else than the command line gave these words, and `local` the
    gateway when nobody names one. Raises UsageError, saying what is wrong or
    missing.
    """
    environ = os.environ if environ is None else environ
    given = {key: value for key, value in given.items() if value is not None}
    settings = readToml(given["config"], SETTINGS) if "config" in given else {}
    token, warnings = tokenSource(given, environ, settings, told)
    gateway = given.get("gateway") or environ.get("DIGLETT_GATEWAY") or settings.get("gateway") or local
    merged = {**settings, **given}
    if merged.get("private-key") and not merged.get("certificate"):
        raise UsageError("private-key goes with certificate: which one is it for?")
    wanted = _tunnels(tunnels, settings)
    protocol = _oneOf(merged, "protocol", PROTOCOLS)
    if protocol == "v1":
        checkV1(merged, wanted)
        warnings = [*warnings, V1_WARNING]
    return AgentConfig(
        tunnels=wanted,
        gateway=_gateway(gateway),
        token=token,
        ca=merged.get("ca"),
        pins=tuple(merged.get("pin", ())),
        certificate=merged.get("certificate"),
        privateKey=merged.get("private-key"),
        protocol=protocol,
        once=merged.get("once", False),
        logFormat=_oneOf(merged, "log-format", LOG_FORMATS),
        debug=min(merged.get("debug", 0), 2),
        backendInsecure=merged.get("backend-insecure", False),
        state=merged.get("state"),
        warnings=tuple(warnings),
    )


def _gateway(text: str | None) -> Address:
    """Read the gateway's address, with help for those who gave none or a URL."""
    if not text:
        raise UsageError(
            "which gateway? Give -g HOST[:PORT], set DIGLETT_GATEWAY, or write gateway "
            "in the --config file (and `diglett demo` needs none)"
        )
    if "://" in text:
        raise UsageError(f"the gateway {text!r} is written HOST[:PORT], without a scheme")
    return parseAddress(text, "the gateway", GATEWAY_PORT)


def _tunnels(
    given: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> tuple[TunnelConfig, ...]:
    """Take the command line's tunnels, or else those of the file."""
    if given:
        return checkTunnels(makeTunnel(tunnel) for tunnel in given)
    if not settings.get("tunnel"):
        raise UsageError(f"no BACKEND: what should be published? For example: {EXAMPLE}")
    tunnels = []
    for number, table in enumerate(settings["tunnel"], 1):
        where = f"{settings['config']}: [[tunnel]] {number}"
        base = os.path.dirname(settings["config"])
        table = checkTable(table, KEYS, where, base)
        try:
            tunnels.append(makeTunnel(table, base))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    return checkTunnels(tunnels)


def _oneOf(merged: Mapping[str, Any], key: str, choices: Sequence[str]) -> Any:
    """Let one of a few words through; the first is the default."""
    value = cast(str, merged.get(key, choices[0]))
    if value not in choices:
        raise UsageError(f"{key} must be {' or '.join(choices)}, not {value!r}")
    return value
