"""BACKEND: the private service a name stands for."""

from __future__ import annotations

import os
from typing import Literal

from attrs import field, frozen

from diglett.config.address import parseAddress
from diglett.errors import UsageError

BackendKind = Literal["tcp", "unix", "http", "https", "folder"]

_PORTS = {"http": 80, "https": 443}
_FORMS = "HOST:PORT, PORT, unix:/path, http://HOST:PORT, https://HOST:PORT or a folder"


@frozen
class Backend:
    """
    Where the agent takes visitors: `host` and `port` for tcp, http and https,
    an absolute `path` for unix and folder. `str()` is what people are shown.
    """

    kind: BackendKind
    host: str = ""
    port: int = 0
    path: str = ""
    shown: str = field(default="", eq=False)

    def __str__(self) -> str:
        return self.shown


def parseBackend(text: str, base: str = "") -> Backend:
    """
    Read a backend in any of its forms.

    Relative paths start at the folder `base` (the current one by default). A
    folder must exist; one whose name looks like another form is written with
    `./` in front. Raises UsageError, saying what is wrong.
    """
    scheme, separator, rest = text.partition("://")
    if separator:
        return _parseURL(scheme.lower(), rest, text)
    if text.startswith("unix:"):
        return _parseUnix(text[5:], base)
    if text.isascii() and text.isdigit():
        return _tcp(f"localhost:{text}")
    if text.startswith(":"):
        return _tcp(f"localhost{text}")
    if _looksLikePath(text):
        return _parseFolder(text, base)
    if ":" in text:
        return _tcp(text)
    if text and os.path.isdir(os.path.join(base, text)):
        return _parseFolder(text, base)
    raise UsageError(f"BACKEND {text!r} is neither an existing folder nor HOST:PORT ({_FORMS})")


def _tcp(address: str) -> Backend:
    """Make the backend that is reached by plain TCP."""
    found = parseAddress(address, "BACKEND")
    return Backend("tcp", found.host, found.port, shown=str(found))


def _parseURL(scheme: str, rest: str, text: str) -> Backend:
    """Read what follows `http://` or `https://`: a host and perhaps a port, no more."""
    if scheme not in _PORTS:
        raise UsageError(f"BACKEND {_hide(text)!r}: no such scheme ({_FORMS})")
    if "@" in rest:
        raise UsageError(f"BACKEND {_hide(text)!r}: a user name or password cannot be in it")
    address, slash, path = rest.partition("/")
    if path or "?" in rest or "#" in rest:
        raise UsageError(
            f"BACKEND {text!r}: leave out what follows {address!r}; "
            "every visitor's own path is passed on unchanged"
        )
    found = parseAddress(address, "BACKEND", _PORTS[scheme])
    return Backend(scheme, found.host, found.port, shown=f"{scheme}://{address}")  # type: ignore[arg-type]


def _hide(text: str) -> str:
    """Leave out of an error what may be a password."""
    scheme, separator, rest = text.partition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _parseUnix(path: str, base: str) -> Backend:
    """Read the path of a socket, which need not be there yet."""
    if not path or "\0" in path:
        raise UsageError("BACKEND unix: needs the path of a socket, as in unix:/run/app.sock")
    path = _absolute(path, base)
    if len(os.fsencode(path)) > 103:  # what macOS has room for; Linux has 107
        raise UsageError(f"BACKEND unix:{path}: the path of a socket has at most 103 bytes")
    return Backend("unix", path=path, shown=f"unix:{path}")


def _looksLikePath(text: str) -> bool:
    """Tell a path by what no HOST:PORT can hold."""
    return text in (".", "..", "~") or "/" in text or "\\" in text


def _parseFolder(text: str, base: str) -> Backend:
    """Read the path of a folder that is there and can be listed."""
    path = _absolute(text, base)
    if "\0" in path or not os.path.exists(path):
        raise UsageError(f"BACKEND {text!r}: there is no folder {path}")
    if not os.path.isdir(path):
        raise UsageError(f"BACKEND {text!r} is a file; give the folder it is in")
    try:
        os.scandir(path).close()
    except OSError as error:
        raise UsageError(f"BACKEND {text!r}: cannot read {path}: {error.strerror}") from None
    return Backend("folder", path=path, shown=text)


def _absolute(path: str, base: str) -> str:
    """Make a path independent of the current folder."""
    return os.path.abspath(os.path.join(base, os.path.expanduser(path)))
