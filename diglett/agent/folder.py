"""A folder as a backend: our own small web server, reached as any other backend is."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from diglett.agent.backend import DialledBackend
from diglett.hushed import Hushed
from diglett.link.splice import PendingSplice
from diglett.plane.channel import Channel, Target
from diglett.wire.frames import Reason
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

log = Logger()

BACKLOG = 1_024
"""Visitors that may come in one turn of the reactor."""


class FolderBackend:
    """
    Serves the folder `path` on a socket in a folder that only this user can
    enter; made with the first visitor, gone with `stop` or with the reactor.
    """

    def __init__(self, plane: Any, path: str) -> None:
        self._plane = plane
        self._path = path
        self._hushed = Hushed(log, plane.clock.seconds)
        self._server: _Server | None = None

    def accept(self, mux: Mux, stream: Stream, opening: Opening) -> Endpoint:
        """A visitor has come."""
        try:
            server = self._running()
        except (OSError, CannotListenError) as error:
            self._hushed.error(str(error), "the folder {path} cannot be served: {error}", path=self._path, error=error)
            pending = PendingSplice(mux, stream)
            pending.failed(Reason.BACKEND_UNREACHABLE, "the folder cannot be served")
            return pending
        return server.backend.accept(mux, stream, opening)

    def reach(self) -> Deferred[Channel]:
        """A connection to the folder's server."""
        try:
            os.scandir(self._path).close()
            return self._running().backend.reach()
        except (OSError, CannotListenError) as error:
            return fail(error)

    def stop(self) -> Deferred[None]:
        """Accept no more, and leave nothing behind. Fires when the socket is closed."""
        server, self._server = self._server, None
        return maybeDeferred(lambda: None if server is None else server.stop())

    def _running(self) -> _Server:
        # Temporary folders get tidied up by others, too.
        if self._server is not None and not self._server.isReachable():
            self.stop()
        if self._server is None:
            self._server = _Server(self._plane, self._path)
        return self._server


class _Server:
    """A web server that listens where only we can connect."""

    def __init__(self, plane: Any, path: str) -> None:
        # Only who shares a folder waits for the web server to be imported.
        from diglett.agent.files.finding import Files
        from diglett.agent.files.site import FolderSite

        self._reactor = reactor = plane.clock
        self._folder: str | None = None
        site = FolderSite(Files(path), reactor)
        if hasattr(socket, "AF_UNIX") and hasattr(reactor, "listenUNIX"):
            self._folder = _privateFolder()
            address = os.path.join(self._folder, "http")
            try:
                self._port = reactor.listenUNIX(address, site, backlog=BACKLOG, mode=0o600)
            except BaseException:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
            target = Target(path=address)
        else:
            # Whoever is on this machine can connect, and see what is being shared anyway.
            self._port = reactor.listenTCP(0, site, backlog=BACKLOG, interface="127.0.0.1")
            target = Target(host="127.0.0.1", port=self._port.getHost().port)
        self.backend = DialledBackend(plane, target)
        self._path = target.path
        self._trigger: Any = reactor.addSystemEventTrigger("before", "shutdown", self._shutDown)

    def isReachable(self) -> bool:
        """Whether the socket is still where it was."""
        return not self._path or os.path.exists(self._path)

    def stop(self) -> Any:
        """Close the socket and remove its folder."""
        if self._trigger is not None:
            self._reactor.removeSystemEventTrigger(self._trigger)
        return self._close()

    def _shutDown(self) -> Any:
        self._trigger = None
        return self._close()

    def _close(self) -> Any:
        if self._folder is None:
            return self._port.stopListening()
        if not os.path.exists(self._path):
            # Twisted removes the socket's file, and does not close the socket if that fails.
            os.makedirs(self._folder, 0o700, exist_ok=True)
            open(self._path, "wb").close()
        stopping = maybeDeferred(self._port.stopListening)
        return stopping.addBoth(lambda _: shutil.rmtree(self._folder or "", ignore_errors=True))


def _privateFolder() -> str:
    """A new folder of mode 0700, whose name is short enough for a socket in it."""
    folder = tempfile.mkdtemp(prefix="diglett-")
    if len(os.fsencode(folder)) <= 90:
        return folder
    os.rmdir(folder)
    return tempfile.mkdtemp(prefix="diglett-", dir="/tmp")
