# -*- test-case-name: tests.test_state -*-
"""
The folder where keys, the local CA and tokens live, and how files get into it.

A file is either all there or not there at all, whatever crashes or races;
nobody but the owner can read a secret at any moment of its life.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from diglett.errors import UsageError

PRIVATE = 0o600
"""The mode of a file that holds a secret."""

PUBLIC = 0o644
"""The mode of a file that others may read, such as the certificate of the local CA."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def stateFolder(explicit: str | os.PathLike[str] | None = None) -> Path:
    """
    Say which folder it is: `explicit`, else `$DIGLETT_STATE`, else `diglett`
    in the platform's data folder. The folder need not exist.

    Raises UsageError when no home folder can be found to look in.
    """
    chosen = explicit or os.environ.get("DIGLETT_STATE")
    try:
        return Path(chosen).expanduser().absolute() if chosen else _dataFolder() / "diglett"
    except RuntimeError:  # what pathlib raises for an account without a home
        raise UsageError(
            "cannot tell where your data folder is: give --state DIR or set DIGLETT_STATE"
        ) from None


def ensureFolder(path: Path) -> Path:
    """
    Make the folder with mode 0700, or check the one that is there; give it back.

    A folder of ours that is still empty is tightened to 0700. One with
    something in it is left as it is, because it may be there for more than
    this (a container's volume, `--state .`): that others can list it does no
    harm, every secret in it being 0600. But whoever can write in it can
    replace our keys, so such a folder is refused.

    Raises UsageError, saying what to do.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            _checkFolder(path)
    except FileExistsError:
        raise UsageError(f"the state folder {path} is not a folder") from None
    except OSError as error:
        raise UsageError(f"cannot use the state folder {path}: {error.strerror}") from None
    return path


def writePrivate(path: Path, data: bytes | str, *, mode: int = PRIVATE) -> None:
    """
    Put `data` in the file at once and durably, replacing what was there.

    The folder must exist. Raises OSError; the old content is then untouched.
    """
    temporary = _writeBeside(path, data, mode)
    try:
        os.replace(temporary, path)
    except BaseException:
        _forget(temporary)
        raise
    _syncFolder(path.parent)


def createPrivate(path: Path, data: bytes | str, *, mode: int = PRIVATE) -> bool:
    """
    Put `data` in a new file; False, and nothing changed, when there is one already.

    Of several processes that try at the same time exactly one gets True, and
    the others find its whole file. Raises OSError.
    """
    temporary = _writeBeside(path, data, mode)
    try:
        _linkOrMove(temporary, path)
    except FileExistsError:
        return False
    finally:
        _forget(temporary)
    _syncFolder(path.parent)
    return True


def _dataFolder() -> Path:
    """Give the platform's folder for a user's application data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    data = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification wants relative paths ignored.
    return Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"


def _checkFolder(path: Path) -> None:
    """Refuse a folder in which somebody else could replace our keys."""
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid == os.geteuid():
        if mode & _OTHERS and not any(path.iterdir()):
            path.chmod(0o700)
        elif mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(
                f"others can write in the state folder {path} (mode {mode:04o}): chmod 700 {path}"
            )
    elif found.st_uid != 0:
        raise UsageError(f"the state folder {path} belongs to another user")
    elif mode & stat.S_IWOTH:
        raise UsageError(f"everybody can write in the state folder {path}: choose another one")


def _writeBeside(path: Path, data: bytes | str, mode: int) -> Path:
    """Write a synchronised file with a name of its own in the folder of `path`."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    content = data.encode() if isinstance(data, str) else data
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, PRIVATE)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.chmod(temporary, mode)  # exactly this, whatever the umask is
    except BaseException:
        _forget(temporary)
        raise
    return temporary


def _linkOrMove(temporary: Path, path: Path) -> None:
    """Give the written file its name, unless that is taken (FileExistsError)."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no hard links (exFAT, some network mounts).
        # Two processes in the same instant could then both believe that they
        # made the file; the last one wins, and still nobody sees half of it.
        if path.exists():
            raise FileExistsError(str(path)) from None
        os.replace(temporary, path)


def _forget(temporary: Path) -> None:
    """Remove a temporary file, if it is still there."""
    try:
        os.unlink(temporary)
    except OSError:
        pass


def _syncFolder(folder: Path) -> None:
    """Make a new name durable, where the platform knows how."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # a file system that cannot; the content itself is synchronised
    finally:
        os.close(descriptor)
