"""Where the agent's token comes from; it never shows in `repr`, an error or a log."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from diglett.errors import UsageError

MAX_TOKEN = 4096
"""Bytes in a token; a signed one (JWT) with many claims has a few hundred."""

COMMAND_LINE = "command line"
"""Who told what was not in the environment or in a file, unless a program did."""


@frozen
class TokenSource:
    """A token and, for messages, where it came from (`""`: none was given)."""

    where: str = ""
    _value: str | None = field(default=None, repr=False)
    path: str | None = None

    def read(self) -> str | None:
        """
        Give the token as it is now, so that one changed in its file is used
        at the next connection; None when none was given.

        Raises UsageError when the file cannot be used any more.
        """
        # A pipe (`--token-file <(pass show diglett)`) can be read only once.
        if self.path is not None and os.path.isfile(self.path):
            return _readFile(self.path)
        return self._value


def tokenSource(
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    settings: Mapping[str, Any],
    told: str = COMMAND_LINE,
) -> tuple[TokenSource, list[str]]:
    """
    Find the token: command line (or who else `told` it), else `DIGLETT_TOKEN`,
    else configuration file.

    Gives the source and the warnings it deserves. Raises UsageError.
    """
    for where, found in ((told, given), ("configuration file", settings)):
        if found.get("token") is not None and found.get("token-file") is not None:
            raise UsageError(f"the {where} has both a token and a token-file: leave one out")
    if given.get("token") is not None and told != COMMAND_LINE:
        return TokenSource(f"the {told}", _check(given["token"], "the token")), []
    if given.get("token") is not None:
        return TokenSource("the command line", _check(given["token"], "--token")), [
            "everybody on this machine can see a token on the command line (ps shows it): "
            "DIGLETT_TOKEN or --token-file keep it private"
        ]
    if given.get("token-file") is not None:
        return _fromFile(given["token-file"])
    if environ.get("DIGLETT_TOKEN"):
        token = _check(environ["DIGLETT_TOKEN"], "DIGLETT_TOKEN")
        return TokenSource("DIGLETT_TOKEN", token), []
    if settings.get("token") is not None:
        token = _check(settings["token"], "token in the configuration file")
        path = settings["config"]
        return TokenSource(path, token), _openToOthers(path)
    if settings.get("token-file") is not None:
        return _fromFile(settings["token-file"])
    return TokenSource(), []


def _fromFile(path: str) -> tuple[TokenSource, list[str]]:
    """Read the token file now, so that a mistake shows at once."""
    path = os.path.abspath(path)
    return TokenSource(path, _readFile(path), path), _openToOthers(path)


def _readFile(path: str) -> str:
    """Give the one line in the file."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_TOKEN + 3)
    except OSError as error:
        raise UsageError(f"cannot read the token file {path}: {error.strerror}") from None
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise UsageError(f"the token file {path} holds something other than a token") from None
    return _check(text.strip(), f"the token file {path}")


def _check(token: str, where: str) -> str:
    """Let through what can be a token, and never say what it was."""
    if not token:
        raise UsageError(f"{where} is empty")
    if len(token.encode("utf-8", "replace")) > MAX_TOKEN:
        raise UsageError(f"{where} is longer than {MAX_TOKEN} bytes: that is no token")
    if not token.isprintable():
        raise UsageError(f"{where} has a line break or control character in the middle")
    return token


def _openToOthers(path: str) -> list[str]:
    """Warn of a file with a secret that everybody may read or change."""
    if os.name == "posix":
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
            return [f"everybody on this machine can read the token in {path}: chmod 600 {path}"]
    return []
