"""The format of `tokens.toml`: read strictly, written as people would write it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sys
from collections.abc import Mapping
from datetime import date, datetime, timezone
from difflib import get_close_matches
from typing import Any

from attrs import evolve, frozen

from diglett.accounts import Account, Limits, bandwidthOf
from diglett.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEADER = """\
# Who may connect to this gateway, and under which names they may publish.
# Changes count within seconds. `diglett-server token` writes this file anew:
# remarks survive that only as `comment = "..."`.
"""

_USER = re.compile(r"[A-Za-z0-9._@+-]{1,64}\Z")
_PATTERN = re.compile(r"[a-z0-9*?\[\]!-]{1,80}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_LIMITS = ("agents", "max-names", "streams")


@frozen
class Token:
    """One token, known by the SHA-256 of its text only. `expires` is in seconds since the epoch."""

    digest: str
    expires: float | None = None
    comment: str = ""

    @property
    def id(self) -> str:
        """What people call it by: the first eight digits of the hash."""
        return self.digest[:8]


@frozen
class User:
    """One user, with patterns of names, limits and tokens."""

    name: str
    patterns: tuple[str, ...]
    limits: Limits = Limits()
    comment: str = ""
    tokens: tuple[Token, ...] = ()

    def account(self, token: Token) -> Account:
        """The account of somebody who showed this token."""
        return Account(self.name, self.patterns, self.limits, token.expires, token.digest)


def newToken() -> str:
    """A token of 256 random bits."""
    return "dig_" + secrets.token_urlsafe(32)


def digestOf(token: str) -> str:
    """The hash by which a token is known, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def checkUser(name: str) -> str:
    """`name` if it can be a user's."""
    if not _USER.match(name):
        raise UsageError(f"the user {name!r} may have only letters, digits and . _ @ + - (at most 64)")
    return name


def checkPattern(pattern: str) -> str:
    """`pattern` if it can be a glob over names."""
    if not _PATTERN.match(pattern):
        raise UsageError(f"the pattern {pattern!r} may have only a-z, 0-9, - and the wildcards * ? [ ]")
    return pattern


def parse(data: bytes) -> tuple[User, ...]:
    """The users in the content of a file; `UsageError` says what is wrong with it, and where."""
    if not data.strip():
        raise UsageError("it is empty")  # an editor that is about to write it
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"not valid TOML: {error}") from None
    _onlyKnown(document, ("user",), "the file")
    users = _typed(document, "user", dict, "the file", {})
    parsed = tuple(_user(checkUser(name), table) for name, table in users.items())
    digests = [token.digest for user in parsed for token in user.tokens]
    if len(set(digests)) != len(digests):
        raise UsageError("the same token occurs twice")
    return parsed


def render(users: tuple[User, ...]) -> str:
    """The content of a file with these users; `parse` gives them back."""
    lines = [HEADER]
    for user in users:
        key = user.name if re.match(r"[A-Za-z0-9_-]+\Z", user.name) else json.dumps(user.name)
        lines.append(f"[user.{key}]")
        lines.append(f"names = {json.dumps(list(user.patterns))}")
        limits = user.limits
        for option, value in zip(
            (*_LIMITS, "bandwidth"), (limits.agents, limits.names, limits.streams, limits.bandwidth), strict=True
        ):
            if value is not None:
                lines.append(f"{option} = {value}")
        lines += [*_comment(user.comment), ""]
        for token in user.tokens:
            lines += [f"[[user.{key}.token]]", f'sha256 = "{token.digest}"']
            if token.expires is not None:
                lines.append(f"expires = {timeText(token.expires)}")
            lines += [*_comment(token.comment), ""]
    return "\n".join(lines)


def timeText(seconds: float) -> str:
    """A point in time as TOML and people write it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def withToken(users: tuple[User, ...], user: User, token: Token) -> tuple[User, ...]:
    """`users` with `user` (in place of the one of that name) and one token more."""
    added = evolve(user, tokens=(*user.tokens, token))
    if any(other.name == user.name for other in users):
        return tuple(added if other.name == user.name else other for other in users)
    return (*users, added)


def without(users: tuple[User, ...], which: str) -> tuple[tuple[User, ...], list[tuple[User, Token]]]:
    """`users` without the user, or the token, called `which`; and the tokens that are gone.

    A user without tokens stays, so that names and limits are still there for the next one.
    """
    gone: list[tuple[User, Token]] = []
    kept: list[User] = []
    for user in users:
        drop = [token for token in user.tokens if which in (user.name, token.id, token.digest)]
        gone += [(user, token) for token in drop]
        if user.name != which:
            kept.append(evolve(user, tokens=tuple(token for token in user.tokens if token not in drop)))
    return tuple(kept), gone


def _user(name: str, table: Any) -> User:
    where = f"user {name}"
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table")
    _onlyKnown(table, ("names", *_LIMITS, "bandwidth", "comment", "token"), where)
    if "names" not in table:
        raise UsageError(f'{where} has no names; write names = ["*"] for any')
    patterns = _typed(table, "names", list, where, [])
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise UsageError(f"{where}: names must be a list of strings")
    agents, names, streams = (_limit(table, option, where) for option in _LIMITS)
    return User(
        name,
        tuple(checkPattern(pattern) for pattern in patterns),
        Limits(agents, names, streams, _bandwidth(table, where)),
        _typed(table, "comment", str, where, ""),
        tuple(_token(entry, where) for entry in _typed(table, "token", list, where, [])),
    )


def _token(table: Any, where: str) -> Token:
    where = f"a token of {where}"
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table")
    _onlyKnown(table, ("sha256", "expires", "comment"), where)
    digest = _typed(table, "sha256", str, where, "").lower()
    if not _DIGEST.match(digest):
        raise UsageError(f"{where} needs sha256 = 64 hexadecimal digits")
    return Token(digest, _time(table.get("expires"), where), _typed(table, "comment", str, where, ""))


def _time(value: Any, where: str) -> float | None:
    """Seconds since the epoch; a date is its first moment, and a time without a zone is UTC."""
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise UsageError(f"{where}: expires must be a date or a time, such as 2030-01-31T12:00:00Z")
    return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()


def _limit(table: Mapping[str, Any], option: str, where: str) -> int | None:
    value = table.get(option)
    if value is not None and (type(value) is not int or value < 0):
        raise UsageError(f"{where}: {option} must be a whole number, not below 0")
    return value


def _bandwidth(table: Mapping[str, Any], where: str) -> int | None:
    try:
        return bandwidthOf(table["bandwidth"]) if "bandwidth" in table else None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _typed(table: Mapping[str, Any], key: str, kind: type, where: str, default: Any) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind):
        raise UsageError(f"{where}: {key} must be a {kind.__name__}, not a {type(value).__name__}")
    return value


def _onlyKnown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, 1) or known
            raise UsageError(f"{where} has an unknown key {key!r}; did you mean {' or '.join(near)}?")


def _comment(text: str) -> list[str]:
    if not text:
        return []
    return ["comment = " + json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")]
