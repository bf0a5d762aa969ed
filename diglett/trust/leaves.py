# -*- test-case-name: tests.trust.test_leaves -*-
"""Certificates of the local CA, made when somebody asks for the name and kept for the next one."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from diglett.trust.authority import LocalAuthority
from diglett.trust.credentials import Credentials

LIMIT = 1024
"""Certificates kept, about 2 KB each; visitors choose the names, so there must be a limit."""


class Leaves:
    """The least recently used one is forgotten when there are more than `limit`."""

    def __init__(
        self,
        authority: LocalAuthority,
        limit: int = LIMIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authority = authority
        self._limit = limit
        self._clock = clock
        self._kept: OrderedDict[tuple[str, ...], tuple[Credentials, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, *names: str) -> Credentials:
        """Give credentials for exactly these names, which have a third of their life left or more."""
        found = self._kept.get(names)
        if found is None or self._clock() >= found[1]:
            found = self._kept[names] = self._issue(names)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        self._kept.move_to_end(names)
        return found[0]

    def _issue(self, names: tuple[str, ...]) -> tuple[Credentials, float]:
        """Make them, and say when (in seconds since the epoch) they are to be made anew."""
        made = self._authority.issue(names)
        now, ends = self._clock(), made.leaf.not_valid_after_utc.timestamp()
        return made, now + (ends - now) * 2 / 3
