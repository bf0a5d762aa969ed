"""When a cell is quiet: its visitors have gone, and so have their sockets, which are closed a little later."""

from __future__ import annotations

from typing import Any

STILL = 1.0
"""Seconds without a change after which nothing is being closed any more, where nobody knows how many should be left."""

LIMIT = 60.0
"""Seconds after which what is left is taken for what stays."""


class Quiet:
    """One wait, which is told what is seen and when. `before` is what was seen of the same processes when it was quiet
    for the last time: as few descriptors have to be left as then."""

    def __init__(self, now: float, before: dict[str, Any] | None = None) -> None:
        self._end = now + LIMIT
        self._before = None if before is None else descriptors(before)
        self._last: dict[str, int] = {}
        self._since = now

    def over(self, seen: dict[str, Any], now: float) -> bool:
        """Whether it is quiet, or will not be."""
        left = descriptors(seen)
        if left != self._last:
            self._last = left
            self._since = now
        if self._before is None:
            closed = now - self._since >= STILL
        else:
            closed = all(left.get(name, count + 1) <= count for name, count in self._before.items())
        return (closed and seen.get("streams") == 0 == seen.get("visitors")) or now > self._end


def descriptors(seen: dict[str, Any]) -> dict[str, int]:
    """How many each process has, of what `tests.soak.record.look` saw."""
    return {name: what[2] for name, what in seen.items() if isinstance(what, list)}
