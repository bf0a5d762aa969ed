"""`unix:DIR`: one socket per name, for a proxy with a static wildcard configuration that never reloads."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zope.interface import implementer

from diglett.errors import Refused, UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IRegistrar
from diglett.registrar import routing
from diglett.registrar.routing import Lease, Routing, single

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

_SUFFIXES = {"http": ".sock", "tls": ".tls.sock", "tcp": ".tcp.sock"}

_LONGEST = 107
"""Bytes in the path of a socket (Linux; others have a few less)."""

_BACKLOG = 512


def create(argument: str, context: PluginContext) -> UnixSockets:
    """`DIR[,mode=660][,group=NAME][,probe=URL]...`."""
    folder, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, "mode", "group")))
    if not folder:
        raise UsageError("unix needs a folder for the sockets: unix:/run/diglett")
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("this system has no sockets in the file system")
    path = Path(folder).expanduser().absolute()
    left = _LONGEST - len(os.fsencode(path)) - len("/.tls.sock")
    if left < 1:
        raise UsageError(f"unix: the path {path} is too long for sockets in it")
    mode = single(options, "mode", "660")
    if len(mode) not in (3, 4) or not set(mode) <= set("01234567"):
        raise UsageError(f"unix: mode={mode} must be like 660")
    way = Routing.parse(options, context, guess={"http": routing.FRONT})
    return UnixSockets(path, int(mode, 8), single(options, "group", ""), way)


@implementer(IRegistrar)
class UnixSockets:
    """Makes `DIR/NAME.sock` (`.tls.sock` and `.tcp.sock` for those kinds) a way in, which the gateway serves itself."""

    def __init__(self, folder: Path, mode: int, group: str, way: Routing) -> None:
        self._folder = folder
        self._mode = mode
        self._group = group
        self._way = way

    def start(self) -> None:
        """See that sockets can be made, and remove dead ones; other gateways' are not dead."""
        try:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            for path in self._folder.glob("*.sock"):
                if stat.S_ISSOCK(path.lstat().st_mode) and not _alive(path):
                    path.unlink(missing_ok=True)
            if self._group:
                shutil.chown(self._folder / ".", group=self._group)
        except (OSError, LookupError) as error:
            raise UsageError(f"unix: cannot use {self._folder}: {error}") from None
        self._way.announce("the proxy at the sockets")

    def stop(self) -> None:
        """Nothing is left to do: every name was withdrawn."""

    async def publish(self, registration: Registration) -> Lease:
        """Listen at the name's socket."""
        undo: list[Callable[[], None]] = []

        def do() -> None:
            undo.append(self._open(registration))

        def takeBack() -> None:
            while undo:
                undo.pop()()

        return await self._way.publish(registration, tuple(_SUFFIXES), do, takeBack)

    def _open(self, registration: Registration) -> Callable[[], None]:
        if registration.adopt is None:
            raise Refused("the gateway cannot serve sockets in the file system", code="publish-failed")
        path = self._folder / (registration.name + _SUFFIXES[registration.kind])
        if len(os.fsencode(path)) > _LONGEST:
            raise Refused(f"the name {registration.name} is too long for a socket in {self._folder}", permanent=True)
        if _alive(path):
            raise Refused(f"the name {registration.name} is taken by another gateway", code="name-taken")
        listening = socket.socket(socket.AF_UNIX)
        try:
            path.unlink(missing_ok=True)
            listening.bind(str(path))
            path.chmod(self._mode)  # nobody can connect before it listens
            if self._group:
                shutil.chown(path, group=self._group)
            listening.listen(_BACKLOG)
            listening.setblocking(False)
            made = path.lstat()
        except BaseException:
            listening.close()
            raise
        close = registration.adopt(listening)

        def withdraw() -> None:
            try:
                found = path.lstat()
                if (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino):
                    path.unlink()
            except FileNotFoundError:
                pass
            finally:
                close()

        return withdraw


def _alive(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(str(path))
        except BlockingIOError:
            return True  # its backlog is full
        except OSError:
            return False
    return True
