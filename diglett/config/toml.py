"""Configuration files: TOML with the names of the long options, every mistake named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from diglett.errors import UsageError

Kind = Literal["text", "texts", "flag", "count", "tables", "path", "paths"]
"""What a key may hold; `texts` and `paths` are one or a list of several."""

MAX_SIZE = 1 << 20
"""Bytes in a configuration file."""


def readToml(path: str, known: Mapping[str, Kind]) -> dict[str, Any]:
    """
    Read a file that holds nothing but `known` keys; lists come as tuples.

    Relative paths are made absolute from the folder the file is in, for a
    service is seldom started there. The file's own path is under `config`.
    Raises UsageError, saying which file, which key, and what would be right.
    """
    path = os.path.abspath(os.path.expanduser(path))
    table = _load(path)
    settings = checkTable(table, known, path, os.path.dirname(path))
    settings["config"] = path
    return settings


def checkTable(
    table: Mapping[str, Any], known: Mapping[str, Kind], where: str, base: str
) -> dict[str, Any]:
    """Give the table with every key and value checked."""
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: there is no setting {key!r}{didYouMean(key, known)}")
    return {key: _checkValue(value, known[key], f"{where}: {key}", base) for key, value in table.items()}


def didYouMean(word: str, known: Iterable[str]) -> str:
    """Give the end of an error: the nearest right word, if one is near."""
    import difflib

    nearest = difflib.get_close_matches(word.replace("_", "-").lower(), list(known), 1, 0.6)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _load(path: str) -> dict[str, Any]:
    """Read the file and let a TOML parser have it."""
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[no-redef]
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from None
    if len(data) > MAX_SIZE:
        raise UsageError(f"the configuration {path} is larger than {MAX_SIZE} bytes")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        # The parser tells the place, never the text (which may be a token).
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} is not valid TOML: nested too deeply") from None


def _checkValue(value: Any, kind: Kind, where: str, base: str) -> Any:
    """Let a value of the right kind through; never show it, for it may be a token."""
    if kind == "flag":
        if isinstance(value, bool):
            return value
        raise UsageError(f"{where} must be true or false")
    if kind == "count":
        if isinstance(value, int) and value >= 0:
            return int(value)
        raise UsageError(f"{where} must be a whole number")
    if kind == "tables":
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        raise UsageError(f"{where} must be written as [[{where.rpartition(' ')[2]}]] tables")
    if kind in ("texts", "paths"):
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) for item in items):
            return tuple(_absolute(item, kind, base) for item in items)
        raise UsageError(f"{where} must be a text or a list of texts")
    if isinstance(value, str):
        return _absolute(value, kind, base)
    raise UsageError(f"{where} must be a text (in quotes)")


def _absolute(text: str, kind: Kind, base: str) -> str:
    """Make a relative path absolute; leave other texts alone."""
    if kind in ("path", "paths"):
        return os.path.join(base, os.path.expanduser(text))
    return text
