"""`tokens`: users and the hashes of their tokens in a file; the default."""

from __future__ import annotations

import getpass
import hmac
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.auth.files import WatchedFile
from diglett.auth.tokenfile import Token, User, digestOf, newToken, parse, render
from diglett.errors import LoginRefused, UsageError
from diglett.interfaces import IAuthenticator
from diglett.state import createPrivate

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext

FILE = "tokens.toml"
"""The file in the state folder."""

LOCAL = "token"
"""Beside it, in plain text for the eyes of its owner only: the token the first start makes."""

_NOBODY = "0" * 64


def create(argument: str, context: PluginContext) -> Tokens:
    """`FILE`, or nothing for the state folder's own file, which is made if need be."""
    return Tokens(Path(argument).expanduser() if argument else None, context)


@implementer(IAuthenticator)
class Tokens:
    """Looks tokens up by their hash."""

    clientAuthorities = None

    def __init__(self, path: Path | None, context: PluginContext) -> None:
        self._state = context.state
        self._clock = context.reactor
        self._first = path is None
        self._file = WatchedFile(path or context.state / FILE, _table, context.reactor, context.log)
        self._messages: list[str] = []

    def start(self, changed: Callable[[], None]) -> None:
        """Read the file; without one of its own, make it, with one token for the local user."""
        path = self._file.path
        if not path.exists():
            if not self._first:
                raise UsageError(
                    f"there is no {path}; make it with: diglett-server token add USER --file {path}"
                )
            self._messages.append(_makeFirst(self._state))
        self._file.start(changed)
        if os.name == "posix" and path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            self._messages.append(f"WARNING: others may write to {path}, and so let themselves in")

    def stop(self) -> None:
        """Stop watching the file."""
        self._file.stop()

    def messages(self) -> list[str]:
        """The first token, in the one start that made it; and what is wrong with the file."""
        if not self._file.value:
            return [*self._messages, f"WARNING: there is no token in {self._file.path}: nobody can connect"]
        return self._messages

    def authenticate(self, credentials: Credentials) -> Account:
        """The account of the user whose token it is."""
        if not credentials.token:
            raise LoginRefused("no token was shown")
        self._file.check()
        return self._lookUp(digestOf(credentials.token))

    def authorize(self, account: Account, name: str) -> bool:
        """What the user's patterns say."""
        return account.allows(name)

    def refresh(self, account: Account) -> Account:
        """The account by the same token in the file as it is now."""
        return self._lookUp(str(account.credential))

    def _lookUp(self, digest: str) -> Account:
        account = self._file.value.get(digest)
        known = str(account.credential) if account is not None else _NOBODY
        if not hmac.compare_digest(known, digest) or account is None:
            raise LoginRefused(f"there is no token with the hash {digest[:8]}...")
        if account.expires is not None and account.expires <= self._clock.seconds():
            raise LoginRefused(f"the token {digest[:8]} of {account.id} has expired")
        return account


def _table(data: bytes) -> dict[str, Account]:
    return {token.digest: user.account(token) for user in parse(data) for token in user.tokens}


def _makeFirst(state: Path) -> str:
    """Make the first token and the file that knows it; safe if two gateways start at once."""
    local = state / LOCAL
    try:
        createPrivate(local, newToken() + "\n")
        token = local.read_text("utf-8").strip()
        user = _localUser()
        entry = User(user, ("*",), tokens=(Token(digestOf(token), comment="made at the first start"),))
        createPrivate(state / FILE, render((entry,)))
    except OSError as error:
        raise UsageError(f"cannot write to the state folder {state}: {error.strerror}") from None
    return f"made the first token, for {user}: {token} (also in {local}, where this user's agent finds it)"


def _localUser() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without an entry for this uid
        name = ""
    return re.sub(r"[^A-Za-z0-9._@+-]", "-", name)[:64] or "local"
