"""The sockets on which agents of this user are asked: a folder in the state folder, a socket for each agent in it.

Its mode is 0700, and a socket's 0600. What dead processes have left behind is removed by whoever comes upon it.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diglett.errors import DiglettError
from diglett.state import ensureFolder

FOLDER = "agents"
BACKLOG = 16
_PATH_MAX = 103
"""Bytes of a socket's path that every system has room for."""
_OURS = re.compile(r"(\d+)-[0-9a-f]{8}\.sock\Z")
_UNFINISHED = 60.0
"""Seconds after which a socket that nobody has begun to listen on will never be used."""


class NoSockets(DiglettError):
    """This system has none of the kind that is needed."""


def listenIn(state: Path) -> tuple[socket.socket, Path]:
    """
    A socket that listens under a name of its own, which is removed by `Path.unlink`.

    It gets that name when it listens already, so one that refuses is stale.
    Raises OSError, UsageError (the folder cannot be used) or NoSockets.
    """
    checkSockets()
    ensureFolder(state)
    folder = state / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    removeStale(state)
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.sock"
    temporary = path.with_suffix(".new")
    listening = socket.socket(socket.AF_UNIX)
    try:
        with _address(temporary) as address:
            listening.bind(address)
            os.chmod(address, 0o600)
        listening.listen(BACKLOG)
        listening.setblocking(False)
        os.rename(temporary, path)
    except BaseException:
        listening.close()
        temporary.unlink(missing_ok=True)
        raise
    return listening, path


def socketsIn(state: Path) -> list[tuple[int, Path]]:
    """The process id and the socket of each agent that may be running, in the order of their ids."""
    try:
        names = os.listdir(state / FOLDER)
    except OSError:
        return []
    found = [(int(match[1]), state / FOLDER / name) for name in names if (match := _OURS.match(name))]
    return sorted(found)


def connectTo(path: Path, timeout: float) -> socket.socket | None:
    """
    Connect to an agent; None when it is no more, and its socket is gone now, too.

    Raises OSError: it is there and does not take connections.
    """
    checkSockets()
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        with _address(path) as address:
            connection.connect(address)
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        path.unlink(missing_ok=True)
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def removeStale(state: Path) -> None:
    """Remove what processes that are no more have left behind."""
    for _, path in socketsIn(state):
        try:
            connection = connectTo(path, 0.2)
        except OSError:
            continue  # somebody is there
        if connection is not None:
            connection.close()
    for path in (state / FOLDER).glob("*.new"):
        try:
            if time.time() - path.lstat().st_mtime > _UNFINISHED:
                path.unlink()
        except OSError:
            pass


def checkSockets() -> None:
    """Raises NoSockets on Windows."""
    if not hasattr(socket, "AF_UNIX"):
        raise NoSockets(
            "this system has no Unix sockets, on which running agents are asked; `diglett doctor` works, and what "
            "`diglett --log-format json` writes tells how an agent is"
        )


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """The path, or a short one for the same place. Raises OSError: it is too long, and there is none."""
    if len(os.fsencode(path)) <= _PATH_MAX:
        yield str(path)
        return
    if not os.path.isdir("/proc/self/fd"):
        raise OSError(f"the path {path} is too long for a socket")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
