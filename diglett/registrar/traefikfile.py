"""`traefik-file:DIR`: Traefik's file provider, with one file of this gateway in the folder it watches."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zope.interface import implementer

from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IRegistrar
from diglett.registrar import routing, traefik
from diglett.registrar.routing import Lease, Routing
from diglett.registrar.table import Table
from diglett.registrar.traefik import Routes

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration


def create(argument: str, context: PluginContext) -> TraefikFile:
    """`DIR[,entrypoint=NAME][,probe=URL]...`."""
    folder, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, *traefik.OPTIONS)))
    if not folder:
        raise UsageError("traefik-file needs the folder Traefik watches: traefik-file:/etc/traefik/dynamic")
    routes = Routes.parse(options)
    way = Routing.parse(options, context, guess=routes.doors())
    return TraefikFile(Path(folder).expanduser(), routes, way, context)


@implementer(IRegistrar)
class TraefikFile:
    """Writes `diglett-GATEWAY.yml`; JSON is YAML, but Traefik passes over names that end `.json`."""

    def __init__(self, folder: Path, routes: Routes, way: Routing, context: PluginContext) -> None:
        name = "diglett-" + re.sub(r"[^A-Za-z0-9._-]", "-", context.gateway)
        self._path = folder / f"{name}.yml"
        self._temporary = folder / f".{name}.tmp"  # of no kind Traefik would read
        self._routes = routes
        self._way = way
        self._table: Table[Registration] = Table(self._write, context.reactor)

    def start(self) -> None:
        """Remove what a crashed predecessor left, and see that the folder can be written to."""
        try:
            self._temporary.write_bytes(b"")
            self._temporary.unlink()
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"traefik-file: cannot write to {self._path.parent}: {error.strerror}") from None
        self._way.announce("Traefik")

    def stop(self) -> None:
        """Nothing is left to do: every name was withdrawn."""

    async def publish(self, registration: Registration) -> Lease:
        """Put it into the file."""
        return await self._way.publish(
            registration,
            traefik.KINDS,
            lambda: self._table.put(registration.fqdn, registration),
            lambda: self._table.remove(registration.fqdn),
        )

    def _write(self, entries: Mapping[str, Registration]) -> None:
        """Replace the file at once, or remove it.

        Not synchronised to the disk: after a crash of the machine every name
        is gone anyway, and the next start removes the file.
        """
        if not entries:
            self._path.unlink(missing_ok=True)
            return
        self._temporary.write_text(json.dumps(self._routes.document(entries.values()), indent=1), "ascii")
        os.replace(self._temporary, self._path)
