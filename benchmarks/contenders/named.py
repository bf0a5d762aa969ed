"""Tunnels that a user names in a TOML file; others.toml shows how."""

from __future__ import annotations

import sys
from pathlib import Path
from string import Template
from typing import Any, Mapping

from attrs import define

from benchmarks.contenders.base import Contender, Running, Watch
from benchmarks.errors import Trouble
from benchmarks.site import Site
from benchmarks.visitors import Door

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYS = {"name", "gateway", "agent", "files", "env", "link", "port"}


@define(eq=False)
class Named(Contender):
    """Commands and files with ${...} in them; one gateway command, one agent command or several.

    link: the agents' port, where it cannot be chosen.  port: a regular expression that finds a
    public port in the gateway's output, where those cannot.
    """

    key: str
    gateway: list[str]
    agents: list[list[str]]
    files: dict[str, str]
    env: dict[str, str]
    link: int | None = None
    port: str | None = None

    @property
    def label(self) -> str:  # type: ignore[override]
        return self.key

    def start(self, site: Site) -> Running:
        """Write the files, start the gateway, wait for its port, start the agents, wait for an echo."""
        gateway = site.place.gateway
        doors = {name: Door(gateway.freePort()) for name in ("load", "web")}
        link, certificates = self.link or gateway.freePort(), site.lab.certificates
        values: dict[str, Any] = {
            "dir": site.folder,
            "link": link,
            "load": site.backends["load"],
            "web": site.backends["web"],
            "public_load": doors["load"].port,
            "public_web": doors["web"].port,
            "certificate": certificates.certificate,
            "key": certificates.key,
            "authority": certificates.authority,
        }
        env = {key: _fill(value, values) for key, value in self.env.items()}
        for name, text in self.files.items():
            (site.folder / name).write_text(_fill(text, values))
        watch = Watch()
        server = site.start("gateway", "gateway", [_fill(word, values) for word in self.gateway], env)
        site.awaitPort(server, link, gateway)
        gatewayReady = watch.seconds()
        watch = Watch()
        for number, agent in enumerate(self.agents):
            client = site.start("agent", f"agent{number}", [_fill(word, values) for word in agent], env)
        if self.port is not None:
            for name in doors:
                found = site.awaitLine(server, _fill(self.port, {"name": name}))
                doors[name] = Door(int(found[1]))
        site.awaitEcho(client, doors["load"].port)
        site.awaitAnswer(client, doors["web"].port, "localhost")
        return Running(self, site, doors, gatewayReady, watch.seconds())


def readNamed(path: Path) -> list[Named]:
    """The tunnels of a file. Trouble, with the reason, when it is not as others.toml says."""
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Trouble(f"{path}: {error}") from None
    if set(content) - {"tunnel"}:
        raise Trouble(f"{path}: only [[tunnel]] is known")
    return [_named(path, table) for table in content.get("tunnel", [])]


def _named(path: Path, table: Mapping[str, Any]) -> Named:
    unknown = set(table) - _KEYS
    if unknown:
        raise Trouble(f"{path}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(sorted(_KEYS))}")
    for key in ("name", "gateway", "agent"):
        if not table.get(key):
            raise Trouble(f"{path}: a [[tunnel]] lacks {key!r}")
    agents = table["agent"]
    if isinstance(agents[0], str):
        agents = [agents]
    named = Named(
        table["name"],
        table["gateway"],
        agents,
        dict(table.get("files", {})),
        dict(table.get("env", {})),
        table.get("link"),
        table.get("port"),
    )
    for word in [*named.gateway, *(word for agent in named.agents for word in agent), *named.files.values()]:
        if not isinstance(word, str):
            raise Trouble(f"{path}: {named.key}: commands and files are strings, not {word!r}")
    return named


def _fill(text: str, values: Mapping[str, Any]) -> str:
    try:
        return Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        raise Trouble(f"{text!r}: no such placeholder or a lone $: {error}") from None
