"""`diglett-server token add|list|revoke`: the tokens file, from the command line."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from attrs import asdict, evolve

from diglett.accounts import Limits, bandwidthOf
from diglett.auth.tokenfile import (
    Token,
    User,
    checkPattern,
    checkUser,
    digestOf,
    newToken,
    parse,
    render,
    timeText,
    without,
    withToken,
)
from diglett.errors import DiglettError, UsageError
from diglett.state import ensureFolder, stateFolder, writePrivate

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def main(argv: Sequence[str]) -> int:
    """Do what `argv` (what follows `token`) says; the exit status: 0, 1 for nothing found, 2 for wrong usage."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except DiglettError as error:
        print(f"diglett-server token: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"diglett-server token: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="diglett-server token", description="Who may connect, and under which names they may publish."
    )
    where = argparse.ArgumentParser(add_help=False)
    group = where.add_mutually_exclusive_group()
    group.add_argument("--file", metavar="FILE", help="the tokens file (as in --auth tokens:FILE)")
    group.add_argument("--state", metavar="DIR", help="the gateway's state folder; its tokens.toml")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add = commands.add_parser("add", parents=[where], help="make a token for a new or known user, and show it once")
    add.set_defaults(run=_add)
    add.add_argument("user", metavar="USER")
    add.add_argument(
        "--names", metavar="GLOB,..", help="names the user may use, such as alice,alice-* (a new user: any)"
    )
    add.add_argument("--expires", metavar="WHEN", help="30d, 12h, 2w, or a date such as 2030-01-31 (default: never)")
    add.add_argument("--comment", metavar="TEXT", default="", help="what the token is for")
    for option, what in (("agents", "agents"), ("max-names", "names"), ("streams", "streams")):
        add.add_argument(f"--{option}", metavar="N", type=_count, help=f"the most {what} the user may have at a time")
    add.add_argument(
        "--bandwidth", metavar="BYTES", type=_bandwidth, help="the most bytes a second, such as 500K, 10M or 1G"
    )

    show = commands.add_parser("list", parents=[where], help="show users and tokens (not their text, which nobody has)")
    show.set_defaults(run=_list)

    revoke = commands.add_parser("revoke", parents=[where], help="end a token, or a user with all of theirs")
    revoke.set_defaults(run=_revoke)
    revoke.add_argument("which", metavar="ID|USER")
    return parser


def _add(options: argparse.Namespace) -> int:
    checkUser(options.user)
    expires = None if options.expires is None else _when(options.expires, time.time())
    if not options.comment.isprintable():
        raise UsageError("a comment may not have control characters")
    text = newToken()
    with _users(options, create=True) as file:
        old = next((user for user in file.users if user.name == options.user), User(options.user, ("*",)))
        user = evolve(
            old,
            patterns=old.patterns if options.names is None else _patterns(options.names),
            limits=Limits(
                old.limits.agents if options.agents is None else options.agents,
                old.limits.names if options.max_names is None else options.max_names,
                old.limits.streams if options.streams is None else options.streams,
                old.limits.bandwidth if options.bandwidth is None else options.bandwidth,
            ),
        )
        file.users = withToken(file.users, user, Token(digestOf(text), expires, options.comment))
    print(text)
    allowed = "any name" if "*" in user.patterns else "the names " + ", ".join(user.patterns)
    until = "for ever" if expires is None else "until " + timeText(expires)
    print(f"{user.name} may use {allowed} {until}. The token is not shown again.", file=sys.stderr)
    return 0


def _list(options: argparse.Namespace) -> int:
    with _users(options) as file:
        users = file.users
    rows = [("USER", "NAMES", "LIMITS", "ID", "EXPIRES", "COMMENT")]
    now = time.time()
    for user in users:
        limits = asdict(user.limits).items()
        left = (
            user.name,
            ",".join(user.patterns) or "none",
            " ".join(f"{name}={most}" for name, most in limits if most is not None) or "-",
        )
        for token in user.tokens:
            expires = "never" if token.expires is None else timeText(token.expires)
            if token.expires is not None and token.expires <= now:
                expires += " (over)"
            rows.append((*left, token.id, expires, token.comment or user.comment))
        if not user.tokens:
            rows.append((*left, "-", "-", user.comment))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _revoke(options: argparse.Namespace) -> int:
    with _users(options) as file:
        users, gone = without(file.users, options.which)
        if len(users) == len(file.users) and not gone:
            print(f"there is neither a token nor a user {options.which!r}", file=sys.stderr)
            return 1
        file.users = users
    for user, token in gone:
        print(f"revoked {token.id} of {user.name}")
    if len(users) < len(file.old):
        print(f"removed the user {options.which}")
    return 0


class _File:
    """The users of a file, as they were and as they shall be."""

    def __init__(self, users: tuple[User, ...]) -> None:
        self.old = self.users = users


@contextmanager
def _users(options: argparse.Namespace, create: bool = False) -> Iterator[_File]:
    """The users of the file that is meant; if they are changed, they are written back, all or nothing."""
    if options.file is not None:
        path = Path(options.file).expanduser().resolve()
    else:
        path = stateFolder(options.state) / "tokens.toml"
        if create:
            ensureFolder(path.parent)
    with _locked(path):
        try:
            file = _File(parse(path.read_bytes()))
        except FileNotFoundError:
            if not create:
                raise UsageError(f"there is no {path}; the first gateway start or `token add` makes it") from None
            file = _File(())
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        yield file
        if file.users is not file.old:
            _write(path, render(file.users))


def _write(path: Path, text: str) -> None:
    """Replace the file, but leave mode and owner to whoever chose them: the gateway may be another user."""
    try:
        status = path.stat()
    except FileNotFoundError:
        writePrivate(path, text)
        return
    writePrivate(path, text, mode=status.st_mode & 0o777)
    if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(path, status.st_uid, status.st_gid)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One change at a time, where the platform has file locks: on the folder, which is there already."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except FileNotFoundError:
        raise UsageError(f"there is no folder {path.parent}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _patterns(text: str) -> tuple[str, ...]:
    return tuple(checkPattern(pattern.strip().lower()) for pattern in text.split(",") if pattern.strip())


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _bandwidth(text: str) -> int:
    try:
        return bandwidthOf(int(text) if text.isdigit() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _when(text: str, now: float) -> float:
    """Seconds since the epoch: `now` plus a duration, or the moment itself."""
    duration = re.match(r"(\d{1,6})([mhdw])\Z", text)
    if duration:
        return now + int(duration[1]) * _UNITS[duration[2]]
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise UsageError(f"--expires {text!r} is neither a duration (30d, 12h, 2w, 45m) nor a date") from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    if seconds <= now:
        raise UsageError(f"--expires {text} is in the past")
    return seconds
