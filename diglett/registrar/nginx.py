"""`nginx:MAPFILE`: a file for nginx's `map`, and a reload after each change of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.task import deferLater
from zope.interface import implementer

from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IRegistrar
from diglett.registrar import routing
from diglett.registrar.routing import Lease, Routing, address, single
from diglett.registrar.running import run, splitCommand
from diglett.registrar.table import Table
from diglett.registrar.upkeep import Upkeep

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

_OLD_WORKERS = 0.25
"""Seconds after a reload in which workers with the old map may still answer: nginx lets them do so for 0.1."""

_LOOK = 10.0
"""Seconds between tries to reload when it failed."""

_RELOAD = ("nginx -t -q", "nginx -s reload")


def create(argument: str, context: PluginContext) -> Nginx:
    """`MAPFILE[,sni-map=FILE][,reload=COMMAND...][,probe=URL]...`."""
    path, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, "sni-map", "reload")))
    if not path:
        raise UsageError("nginx needs the file its map includes: nginx:/etc/nginx/diglett.map")
    maps = {"http": Path(path).expanduser()}
    sni = single(options, "sni-map", "")
    if sni:
        maps["tls"] = Path(sni).expanduser()
    commands = [splitCommand(text) for text in options.get("reload", _RELOAD) if text != "none"]
    way = Routing.parse(options, context, guess={"http": routing.FRONT})
    return Nginx(maps, commands, way, context)


@implementer(IRegistrar)
class Nginx:
    """Lines `FQDN HOST:PORT;`, one file for each kind of tunnel; ours alone."""

    def __init__(
        self, maps: Mapping[str, Path], commands: list[list[str]], way: Routing, context: PluginContext
    ) -> None:
        self._maps = maps
        self._commands = commands
        self._way = way
        self._reactor = context.reactor
        self._table: Table[Registration] = Table(self._write, context.reactor, timeout=25.0)
        self._behind = False
        """Whether nginx may not have loaded what the files say."""
        self._upkeep = Upkeep(self._look, context.reactor, _LOOK, context.log, "make nginx load its map")

    async def start(self) -> None:
        """Remove what a crashed predecessor left; nginx needs the files to be there."""
        left = [path for path in self._maps.values() if path.exists() and path.read_bytes()]
        try:
            self._replace({})
        except OSError as error:
            raise UsageError(f"nginx: cannot write {error.filename}: {error.strerror}") from None
        if left:
            await self._table.write()
        self._way.announce("nginx")
        self._upkeep.start()

    def stop(self) -> None:
        """Look after it no longer."""
        self._upkeep.stop()
        self._table.stop()

    async def publish(self, registration: Registration) -> Lease:
        """Add a line, and reload."""
        return await self._way.publish(
            registration,
            tuple(self._maps),
            lambda: self._table.put(registration.fqdn, registration),
            lambda: self._table.remove(registration.fqdn),
        )

    async def _look(self) -> None:
        """Reload again if that failed: a name that has gone must not stay."""
        if self._behind:
            await self._table.write()

    async def _write(self, entries: Mapping[str, Registration]) -> None:
        self._replace(entries)
        self._behind = True
        for command in self._commands:
            (await run(self._reactor, command, b"", 10.0)).check(command[0])
        self._behind = False
        if self._commands:
            await deferLater(self._reactor, _OLD_WORKERS)

    def _replace(self, entries: Mapping[str, Registration]) -> None:
        for kind, path in self._maps.items():
            lines = [
                f"{fqdn} {address(registration.host, registration.port)};\n"
                for fqdn, registration in entries.items()
                if registration.kind == kind
            ]
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_text("".join(lines), "ascii")
            os.replace(temporary, path)
