"""`haproxy:SOCKET,map=FILE`: entries of a map of names and ports, by HAProxy's runtime API; no reload."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from diglett.asking import ask
from diglett.errors import DiglettError, UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IRegistrar
from diglett.registrar import routing
from diglett.registrar.routing import Lease, Routing, single
from diglett.registrar.table import Table
from diglett.registrar.upkeep import Upkeep

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

_LOOK = 5.0
_ANSWER = 16 * 1024 * 1024
_DOORS = 8
"""Listening ports that are tried."""
_MODES = (("http", "http"), ("tls", "tcp"))
"""Kinds of tunnels, and the mode of the frontends that route them."""
_BATCH = 50
"""Commands in one line: HAProxy reads 16 KiB of it."""


def create(argument: str, context: PluginContext) -> HaProxy:
    """`SOCKET,map=FILE[,sni-map=FILE][,probe=URL]...`, where SOCKET is a path or `HOST:PORT`."""
    where, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, "map", "sni-map")))
    host, colon, port = where.rpartition(":")
    if colon and port.isdigit() and "/" not in where:
        endpoint: Any = HostnameEndpoint(context.reactor, host.strip("[]"), int(port), timeout=5)
    elif where:
        host = "127.0.0.1"
        endpoint = UNIXClientEndpoint(context.reactor, where, timeout=5)
    else:
        raise UsageError("haproxy needs its stats socket: haproxy:/run/haproxy/admin.sock,map=FILE")
    maps = {kind: single(options, key, "") for kind, key in (("http", "map"), ("tls", "sni-map"))}
    maps = {kind: path for kind, path in maps.items() if path}
    if not maps:
        raise UsageError("haproxy needs ,map=FILE (and ,sni-map=FILE for TLS passed through), as HAProxy names it")
    for path in maps.values():
        if not path.isprintable() or set(path) & set(" ;\\"):
            raise UsageError(f"haproxy: the path {path!r} cannot be said to HAProxy")
    way = Routing.parse(options, context, guess={})
    return HaProxy(Runtime(endpoint, context.reactor), host, maps, way, context)


class HaProxyFailed(DiglettError):
    """HAProxy refused a command."""


class Runtime:
    """The runtime API: one connection for each line of commands."""

    def __init__(self, endpoint: Any, reactor: Any) -> None:
        self._endpoint = endpoint
        self._reactor = reactor

    def say(self, line: str) -> Deferred[str]:
        """What HAProxy answers."""
        return ask(lambda: self._say(line), 5.0, self._reactor)

    async def _say(self, line: str) -> str:
        talk: Any = await self._endpoint.connect(Factory.forProtocol(_Talk))
        talk.transport.write(line.encode("ascii") + b"\n")
        answer: str = await talk.answer
        return answer

    async def entries(self, path: str) -> dict[str, str]:
        """What a map has at this moment."""
        answer = await self.say(f"show map {path}")
        found = {}
        for line in answer.splitlines():
            words = line.split()
            if len(words) == 3 and words[0].startswith("0x"):
                found[words[1]] = words[2]
            elif words:
                raise HaProxyFailed(f"HAProxy answered about {path}: {line}")
        return found

    async def ports(self) -> dict[str, list[int]]:
        """Where its frontends listen, by their mode (`http` or `tcp`); nothing if this HAProxy does not say."""
        frontends = csv.DictReader((await self.say("show stat -1 1 -1")).splitlines())
        modes = {row["# pxname"]: row.get("mode", "") for row in frontends if "# pxname" in row}
        ports: dict[str, set[int]] = {}
        for name, port in re.findall(r" l\.st=RDY fe=(\S+) fam=ipv[46] lport=(\d+)", await self.say("show fd")):
            ports.setdefault(modes.get(name, ""), set()).add(int(port))
        return {mode: sorted(found)[:_DOORS] for mode, found in ports.items()}

    async def change(self, path: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Make a map that has `old` have `new`; what is the same is not touched."""
        commands = list(_changes(path, old, new))
        for begin in range(0, len(commands), _BATCH):
            answer = (await self.say(";".join(commands[begin : begin + _BATCH]))).strip()
            if answer:
                raise HaProxyFailed(f"HAProxy answered: {answer[:300]}")


def _changes(path: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"del map {path} {name}"
    for name, port in new.items():
        if name not in old:
            yield f"add map {path} {name} {port}"
        elif old[name] != port:
            yield f"set map {path} {name} {port}"


class _Talk(Protocol):
    """One question; the answer ends with the connection."""

    transport: Any

    def __init__(self) -> None:
        self.answer: Deferred[str] = Deferred(lambda _: self.transport.abortConnection())
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > _ANSWER:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answer.called:
            self.answer.callback(self._data.decode("utf-8", "replace"))


@implementer(IRegistrar)
class HaProxy:
    """Keeps maps of names and ports, which are ours alone: in HAProxy's memory, and in its file for the next reload."""

    def __init__(
        self, runtime: Runtime, host: str, maps: Mapping[str, str], way: Routing, context: PluginContext
    ) -> None:
        self._runtime = runtime
        self._host = host
        self._maps = maps
        self._way = way
        self._log = context.log
        self._table: Table[Registration] = Table(self._write, context.reactor, timeout=20.0)
        self._there: dict[str, dict[str, str]] = {}
        """What HAProxy has in each map, as far as we know."""
        self._upkeep = Upkeep(self._look, context.reactor, _LOOK, context.log, "keep HAProxy's maps")

    async def start(self) -> None:
        """Remove what a crashed predecessor left; if HAProxy is not there yet, do so when it comes."""
        try:
            await self._table.write()
            self._way.announce("HAProxy")
        except OSError as error:
            raise UsageError(f"haproxy: cannot write {error.filename}: {error.strerror}") from None
        except HaProxyFailed as error:
            raise UsageError(f"haproxy: {error}") from None
        except Exception as error:
            self._log.error("HAProxy cannot be reached yet: {reason}", reason=str(error) or type(error).__name__)
        self._upkeep.start()

    def stop(self) -> None:
        """Look after it no longer."""
        self._upkeep.stop()
        self._table.stop()

    async def publish(self, registration: Registration) -> Lease:
        """Add an entry."""
        return await self._way.publish(
            registration,
            tuple(self._maps),
            lambda: self._table.put(registration.fqdn, registration),
            lambda: self._table.remove(registration.fqdn),
        )

    async def _look(self) -> None:
        """HAProxy may have been restarted, with the file as it was then."""
        there = {kind: await self._runtime.entries(path) for kind, path in self._maps.items()}
        if there != {kind: self._wanted(kind, self._table.entries) for kind in self._maps}:
            self._there = {}
            await self._table.write()

    def _wanted(self, kind: str, entries: Mapping[str, Registration]) -> dict[str, str]:
        return {fqdn: str(one.port) for fqdn, one in entries.items() if one.kind == kind}

    async def _write(self, entries: Mapping[str, Registration]) -> None:
        for kind, path in self._maps.items():
            wanted = self._wanted(kind, entries)
            _replace(Path(path), wanted)
            there = self._there.pop(kind, None)
            if there is None:
                there = await self._runtime.entries(path)
                ports = await self._runtime.ports()
                doors = {kind: [f"//{self._host}:{port}" for port in ports.get(mode, ())] for kind, mode in _MODES}
                self._way.learn(doors)
            await self._runtime.change(path, there, wanted)
            self._there[kind] = wanted


def _replace(path: Path, wanted: Mapping[str, str]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(f"{name} {port}\n" for name, port in wanted.items()), "ascii")
    os.replace(temporary, path)
