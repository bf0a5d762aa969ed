"""Conditions and ranges of a request for a file (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re

# One range only. Answering many, of one file, over and over, is a known way to be made to send without end;
# sending the whole file instead is always right.
_RANGE = re.compile(rb"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


def isUnchanged(etag: bytes, modified: int, noneMatch: bytes | None, since: int | None) -> bool:
    """
    Whether the asker has this already: by If-None-Match, else by the time (in
    seconds) of If-Modified-Since, which does not count beside it.
    """
    if noneMatch is not None:
        tags = [tag.strip().removeprefix(b"W/") for tag in noneMatch.split(b",")]
        return etag in tags or b"*" in tags
    return since is not None and modified <= since


def chooseRange(size: int, value: bytes | None) -> tuple[int, int] | None:
    """
    Start and length of what was asked for: all of it when `value`, the
    request's Range, is none that we know; None when nothing of it is there.
    """
    match = _RANGE.fullmatch(value) if value else None
    if match is None:
        return 0, size
    first, last = match.groups()
    if not first and not last:
        return 0, size
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start = int(first)
    if last and int(last) < start:
        return 0, size
    if start >= size:
        return None
    end = min(int(last) + 1, size) if last else size
    return start, end - start
