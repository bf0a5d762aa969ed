"""`htpasswd:FILE`: users and passwords as Apache's tool writes them; `USER:PASSWORD` is the token."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.auth.files import WatchedFile
from diglett.auth.patterns import NamePatterns
from diglett.errors import LoginRefused, UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IAuthenticator

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext

_BCRYPT = re.compile(rb"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}\Z")

_WAITING = 64
"""Passwords that may wait to be checked; more are asked to come back."""


def create(argument: str, context: PluginContext) -> Htpasswd:
    """`FILE[,names=GLOB...]`."""
    path, options = splitArgument(argument, {"names": None})
    if not path:
        raise UsageError("htpasswd needs a file: htpasswd:/etc/diglett/htpasswd")
    return Htpasswd(Path(path).expanduser(), NamePatterns.parse(options.get("names", ())), context)


@implementer(IAuthenticator)
class Htpasswd:
    """Checks passwords in threads, a few at a time: each takes a tenth of a second or more."""

    clientAuthorities = None

    def __init__(self, path: Path, patterns: NamePatterns, context: PluginContext) -> None:
        self._reactor = context.reactor
        self._patterns = patterns
        self._file = WatchedFile(path, parse, context.reactor, context.log)
        self._turn = DeferredSemaphore(max(1, (os.cpu_count() or 2) // 2))

    def start(self, changed: Callable[[], None]) -> None:
        """Read the file."""
        self._file.start(changed)

    def stop(self) -> None:
        """Stop watching the file."""
        self._file.stop()

    def messages(self) -> list[str]:
        """Whether users are restricted."""
        return self._patterns.message(f"every user in {self._file.path}")

    async def authenticate(self, credentials: Credentials) -> Account:
        """The user whose password it is; as slow for users that do not exist."""
        self._file.check()
        user, _, password = (credentials.token or "").partition(":")
        known = self._file.value.get(user)
        if len(self._turn.waiting) >= _WAITING:
            raise LoginRefused("too many passwords to check; try again", code="try-again", permanent=False)
        right = await self._turn.run(
            deferToThreadPool,
            self._reactor,
            self._reactor.getThreadPool(),
            _check,
            password,
            known or self._nobody(),
        )
        if known is None or not right:
            raise LoginRefused("no such user" if known is None else f"wrong password for {user}")
        return self._account(user, known)

    def authorize(self, account: Account, name: str) -> bool:
        """What the patterns say."""
        return account.allows(name)

    def refresh(self, account: Account) -> Account:
        """Unchanged, as long as the user has the same password."""
        known = self._file.value.get(account.id)
        if known is None or known != account.credential:
            raise LoginRefused(f"{account.id} is gone from {self._file.path} or has another password")
        return account

    def _account(self, user: str, known: bytes) -> Account:
        return Account(user, self._patterns.of(user), credential=known)

    def _nobody(self) -> bytes:
        """A hash nothing matches, as costly as the costliest in the file."""
        costs = [hashed[4:6] for hashed in self._file.value.values()]
        return b"$2b$" + max(costs, default=b"10") + b"$" + b"." * 53


def parse(data: bytes) -> dict[str, bytes]:
    """Users and their hashes; `UsageError` names the line that cannot be used."""
    users: dict[str, bytes] = {}
    for number, line in enumerate(data.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(b"#"):
            continue
        name, _, hashed = line.partition(b":")
        match = _BCRYPT.match(hashed)
        if match is None:
            raise UsageError(f"line {number}: not a bcrypt hash; make it with htpasswd -B")
        if int(match[1]) > 15:
            raise UsageError(f"line {number}: a cost of {int(match[1])} takes too long; 15 at most")
        try:
            user = name.decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"line {number}: the user is not UTF-8") from None
        if not user or user in users:
            raise UsageError(f"line {number}: no user, or one that occurred before")
        users[user] = hashed
    return users


def _check(password: str, hashed: bytes) -> bool:
    """Runs in a thread. As with Apache, only the first 72 bytes count."""
    try:
        return bcrypt.checkpw(password.encode("utf-8", "surrogateescape")[:72], hashed)
    except ValueError:
        return False
