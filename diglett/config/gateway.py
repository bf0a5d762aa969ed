"""What the gateway was told."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal, Union

from attrs import frozen

from diglett.config.toml import Kind, readToml
from diglett.errors import UsageError
from diglett.names import RESERVED, normalizeDomain, reservedNames

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

SETTINGS: dict[str, Kind] = {
    "listen": "text",
    "domain": "text",
    "https": "text",
    "http": "text",
    "certificate": "paths",
    "private-key": "paths",
    "state": "path",
    "auth": "text",
    "register": "texts",
    "bind": "text",
    "allow-v1": "flag",
    "admin": "text",
    "trusted-proxy": "texts",
    "proxy-protocol": "flag",
    "reserved": "texts",
    "log-format": "text",
}
"""What the gateway's configuration file may hold."""


@frozen
class GatewayConfig:
    """
    Everything `diglett-server` needs to run.

    Endpoints are Twisted's server endpoint strings, None for one that is
    turned off; `certificates` are pairs of PEM files (certificate chain,
    private key), the first being the default; `state` is None for the default
    folder; `auth` and `register` are `name:argument`.
    """

    listen: str = "tcp:20000"
    domain: str = "localhost"
    https: str | None = "tcp:8443"
    http: str | None = "tcp:8080"
    certificates: tuple[tuple[str, str], ...] = ()
    state: str | None = None
    auth: str = "tokens"
    register: tuple[str, ...] = ("print",)
    bind: str = "127.0.0.1"
    allowV1: bool = False
    admin: str | None = None
    trustedProxies: tuple[Network, ...] = ()
    proxyProtocol: bool = False
    reserved: frozenset[str] = RESERVED
    logFormat: Literal["text", "json"] = "text"
    configFile: str | None = None


def gatewayConfig(given: Mapping[str, Any]) -> GatewayConfig:
    """
    Put together what the command line (`given`, under the names of the long
    options) and the configuration file say; the command line wins, and its
    lists take the place of the file's.

    Raises UsageError, saying what is wrong.
    """
    given = {key: value for key, value in given.items() if value is not None}
    settings = readToml(given["config"], SETTINGS) if "config" in given else {}
    if given.get("certificate") or given.get("private-key"):
        # A certificate from here with a key from there would never match.
        settings = {k: v for k, v in settings.items() if k not in ("certificate", "private-key")}
    merged = {**settings, **given, "config": settings.get("config")}
    values: dict[str, Any] = {
        "certificates": _pairs(merged.get("certificate", ()), merged.get("private-key", ())),
        "configFile": merged["config"],
    }
    for key, (name, convert) in _CONVERTERS.items():
        if key in merged:
            values[name] = convert(merged[key], key)
    return GatewayConfig(**values)


def _plain(value: Any, key: str) -> Any:
    """Take a value that was checked already."""
    if value == "":
        raise UsageError(f"{key} cannot be empty")
    return value


def _endpoint(text: str, key: str) -> str | None:
    """Take an endpoint string, a port alone, or `none`."""
    if text == "none":
        return None
    if text.isascii() and text.isdigit():
        return f"tcp:{text}"
    return str(_plain(text, key))


def _listen(text: str, key: str) -> str:
    """Take an endpoint string: a gateway without one would be of no use."""
    endpoint = _endpoint(text, key)
    if endpoint is None:
        raise UsageError("listen cannot be none: agents have to connect somewhere")
    return endpoint


def _bind(text: str, key: str) -> str:
    """Take an address of this machine."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text))
    except ValueError:
        raise UsageError(f"{key} must be an address of this machine, not {text!r}") from None


def _domain(text: str, key: str) -> str:
    """Take a domain in its one spelling."""
    return normalizeDomain(text)


def _networks(texts: tuple[str, ...], key: str) -> tuple[Network, ...]:
    """Take addresses and networks (CIDR)."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise UsageError(f"{key}: {error} (as in 10.0.0.0/8 or ::1)") from None


def _reserved(texts: tuple[str, ...], key: str) -> frozenset[str]:
    """Take names, in lists or between commas; `none` alone for no name at all."""
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    return frozenset() if names == ["none"] else reservedNames(names)


def _logFormat(text: str, key: str) -> str:
    """Take one of the forms that lines of the log can have."""
    if text not in ("text", "json"):
        raise UsageError(f"{key} {text!r} is none of text, json")
    return text


def _pairs(certificates: tuple[str, ...], keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pair each certificate with its key, in the order in which they were given."""
    if len(certificates) != len(keys):
        raise UsageError(
            f"every certificate needs its private-key: there are {len(certificates)} and {len(keys)}"
        )
    return tuple(zip(certificates, keys))


_CONVERTERS: dict[str, tuple[str, Any]] = {
    "listen": ("listen", _listen),
    "domain": ("domain", _domain),
    "https": ("https", _endpoint),
    "http": ("http", _endpoint),
    "state": ("state", _plain),
    "auth": ("auth", _plain),
    "register": ("register", _plain),
    "bind": ("bind", _bind),
    "allow-v1": ("allowV1", _plain),
    "admin": ("admin", _endpoint),
    "trusted-proxy": ("trustedProxies", _networks),
    "proxy-protocol": ("proxyProtocol", _plain),
    "reserved": ("reserved", _reserved),
    "log-format": ("logFormat", _logFormat),
}
