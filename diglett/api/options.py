"""What programs may say about a tunnel: the options of `diglett`, and what stands in front of its BACKEND."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Union

from diglett.config.agent import SETTINGS, AgentConfig, agentConfig
from diglett.config.toml import checkTable, didYouMean
from diglett.config.tunnel import KEYS
from diglett.errors import UsageError
from diglett.state import stateFolder

Place = Union[str, int, "os.PathLike[str]"]
"""A backend as the command takes it; a number is a port of this machine, a path is a folder."""
File = Union[str, "os.PathLike[str]", None]


class Options(TypedDict, total=False):
    """
    None, or leaving it out, means what it means for the command: the
    environment (`DIGLETT_GATEWAY`, `DIGLETT_TOKEN`, `DIGLETT_STATE`), else
    the file `config`, else the default. Without any gateway it is the one that
    this user runs on this machine.
    """

    name: str | None
    """Its public name; two random words by default."""
    type: Literal["http", "tls", "tcp"]
    """What visitors speak."""
    share: bool
    """Other agents of the account may have the name, too."""
    gateway: str | None
    """`HOST` or `HOST:PORT` (20000)."""
    token: str | None
    tokenFile: File
    ca: File
    """Trust gateways certified by this authority (PEM) only."""
    pin: str | Sequence[str] | None
    """Trust the gateway with this key, `sha256:BASE64`, or one of these."""
    certificate: File
    """A client certificate (PEM) instead of a token."""
    privateKey: File
    protocol: Literal["tls", "v1"]
    backendInsecure: bool
    """Do not verify a backend that is reached by https."""
    config: File
    """A configuration file of the command; its tunnels are left out."""
    state: File
    """The folder where a gateway of this user keeps its CA and token."""


def makeConfig(backend: Place, options: Mapping[str, Any]) -> AgentConfig:
    """Put together what a program, the environment and the file say. Raises UsageError."""
    for word in options:
        if word not in Options.__annotations__:
            raise UsageError(f"there is no argument {word!r}{didYouMean(word, Options.__annotations__)}")
    words = {_option(word): _plain(value) for word, value in options.items() if value is not None}
    given = checkTable(words, {**SETTINGS, **KEYS, "config": "path"}, "the program", os.getcwd())
    tunnel: dict[str, Any] = {key: given.pop(key) for key in ("name", "type", "share") if key in given}
    state = stateFolder(given.get("state"))
    return agentConfig(
        given,
        [{**tunnel, "backend": _backend(backend)}],
        told="program",
        local="localhost" if (state / "ca.pem").exists() else None,
    )


def _backend(backend: Place) -> str:
    if isinstance(backend, int) and not isinstance(backend, bool):
        return str(backend)
    if isinstance(backend, os.PathLike):
        return os.path.abspath(backend)
    if isinstance(backend, str):
        return backend
    raise UsageError(f"the backend {backend!r} is neither a text nor a port nor a path")


def _option(word: str) -> str:
    """`tokenFile` is `token-file` elsewhere."""
    return re.sub("[A-Z]", lambda letter: "-" + letter[0].lower(), word)


def _plain(value: Any) -> Any:
    """As a configuration file would have it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return list(value) if isinstance(value, tuple) else value
