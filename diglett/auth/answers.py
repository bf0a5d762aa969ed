"""What others say about an account, in JSON: an answer of a webhook, the claims of a JWT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diglett.accounts import Limits, bandwidthOf
from diglett.auth.tokenfile import checkPattern
from diglett.errors import DiglettError


class BadAnswer(DiglettError):
    """It is not what it has to be; nobody gets in by it."""


def accountId(value: Any) -> str:
    """An id: text, not empty, not long, printable."""
    if not isinstance(value, str) or not 1 <= len(value) <= 256 or not value.isprintable():
        raise BadAnswer("the account has no usable id")
    return value


def namePatterns(value: Any) -> tuple[str, ...]:
    """Patterns from a list; nothing, or an empty list, allows nothing."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > 1000 or not all(isinstance(item, str) for item in value):
        raise BadAnswer("names must be a list of strings")
    try:
        return tuple(checkPattern(item) for item in value)
    except DiglettError as error:
        raise BadAnswer(str(error)) from None


def limits(value: Any) -> Limits:
    """Limits from an object with some of `agents`, `names`, `streams` and `bandwidth`; nothing is no limit."""
    if value is None:
        return Limits()
    if not isinstance(value, Mapping):
        raise BadAnswer("limits must be an object")
    try:
        bandwidth = None if value.get("bandwidth") is None else bandwidthOf(value["bandwidth"])
    except ValueError as error:
        raise BadAnswer(str(error)) from None
    return Limits(*(_count(value, key) for key in ("agents", "names", "streams")), bandwidth)


def _count(value: Mapping[str, Any], key: str) -> int | None:
    count = value.get(key)
    if count is not None and (type(count) is not int or count < 0):
        raise BadAnswer(f"the limit {key} must be a whole number, not below 0")
    return count
