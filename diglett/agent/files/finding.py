"""Finding what is in a folder, and nothing that is elsewhere, whatever names and symbolic links there are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from io import FileIO

from attrs import frozen

LISTED_MAX = 5_000
"""Entries of a folder that are listed: what takes milliseconds, not seconds."""

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")
# O_NONBLOCK: a pipe that took a file's place must not stop everything.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"))


@frozen
class Found:
    """A file or a folder; `parts` lead to it from the top, through no symbolic link."""

    parts: tuple[str, ...]
    isFolder: bool


@frozen
class Entry:
    """A line of a folder's listing; size in bytes, time in seconds since 1970."""

    name: str
    isFolder: bool
    size: int
    modified: float


class Files:
    """What is in a folder, without what is hidden (a dot in front), or neither file nor folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find(self, names: Sequence[str]) -> Found | None:
        """
        What is there under these names, one for each level; None when there
        is nothing to be seen. Symbolic links are followed as long as they end
        in the folder, and at nothing hidden.
        """
        if not all(map(_isPlain, names)):
            return None
        try:
            top = os.path.realpath(self.path, strict=True)
            path = os.path.realpath(os.path.join(top, *names), strict=True)
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            return None
        parts = _partsBelow(top, path)
        if parts is None or not all(map(_isPlain, parts)) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return None
        return Found(parts, stat.S_ISDIR(mode))

    def open(self, found: Found) -> tuple[FileIO, os.stat_result]:
        """
        Open a file that was found. Raises OSError: it is gone, another thing
        has taken its place, or it may not be read.
        """
        descriptor = self._descend(found)
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise FileNotFoundError("no file any more")
            return FileIO(descriptor), info
        except BaseException:
            os.close(descriptor)
            raise

    def list(self, found: Found) -> tuple[list[Entry], bool]:
        """
        What is in a folder that was found: folders first, then by name; and
        whether there is more than this. Raises OSError.
        """
        entries: list[Entry] = []
        whole = True
        for entry in self._entries(found):
            if len(entries) == LISTED_MAX:
                whole = False
                break
            entries.append(entry)
        entries.sort(key=lambda entry: (not entry.isFolder, entry.name.casefold(), entry.name))
        return entries, whole

    def _entries(self, found: Found) -> Iterator[Entry]:
        if not _BY_DESCRIPTOR:
            yield from self._scan(found, os.path.join(os.path.realpath(self.path), *found.parts))
            return
        descriptor = self._descend(found)
        try:
            yield from self._scan(found, descriptor)
        finally:
            os.close(descriptor)

    def _scan(self, found: Found, folder: str | int) -> Iterator[Entry]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _isPlain(entry.name):
                    continue
                try:
                    if entry.is_symlink():
                        if self.find((*found.parts, entry.name)) is None:
                            continue
                        info = entry.stat()
                    else:
                        info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(info.st_mode) or stat.S_ISREG(info.st_mode):
                    yield Entry(entry.name, stat.S_ISDIR(info.st_mode), info.st_size, info.st_mtime)

    def _descend(self, found: Found) -> int:
        """Open level by level: a link put there since would be refused, not followed."""
        top = os.path.realpath(self.path, strict=True)
        if not _BY_DESCRIPTOR:
            return os.open(os.path.join(top, *found.parts), _FLAGS)
        descriptor = os.open(top, _FLAGS)
        for part in found.parts:
            try:
                inner = os.open(part, _FLAGS, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor


def _isPlain(name: str) -> bool:
    """Whether a name means an entry of a folder, and not a hidden one; `.` and `..` begin with a dot, too."""
    if not name or name[0] == "." or "\0" in name or "/" in name:
        return False
    return os.name != "nt" or not any(character in name for character in '\\:*?"<>|')


def _partsBelow(top: str, path: str) -> tuple[str, ...] | None:
    """The names that lead from `top` down to `path`; None when it is elsewhere."""
    if path == top:
        return ()
    start = top if top.endswith(os.sep) else top + os.sep
    return tuple(path[len(start) :].split(os.sep)) if path.startswith(start) else None
