"""The protocol, line by line of `docs/wire.md`: bytes in, events out, nothing mocked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def cut(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """`data` in pieces that end at `cuts` (any order, any size)."""
    last = 0
    for at in sorted({at % (len(data) + 1) for at in cuts} | {len(data)}):
        if at > last:
            yield data[last:at]
            last = at
