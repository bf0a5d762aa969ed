"""How the system tells which descriptors are ready: epoll on Linux, kqueue on macOS and the BSDs, through `selectors`.

Both are descriptors themselves, which is what the fast driver needs; Windows has nothing of the kind.
"""

from __future__ import annotations

import select
import selectors
from typing import Any, Protocol

IN = 1
OUT = 4
TROUBLE = 0x18
"""Bits of the events: those of epoll, written out because only Linux has names for them."""

_WANTED = {IN: selectors.EVENT_READ, OUT: selectors.EVENT_WRITE, IN | OUT: selectors.EVENT_READ | selectors.EVENT_WRITE}
_FOUND = {wanted: mask for mask, wanted in _WANTED.items()}


class Readiness(Protocol):
    """What the poller needs; `select.epoll` is one."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...

    def register(self, fd: int, mask: int) -> None: ...

    def modify(self, fd: int, mask: int) -> None: ...

    def unregister(self, fd: int) -> None: ...

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]: ...


class SelectorReadiness:
    """Any of `selectors` that has a descriptor of its own.

    It reports no TROUBLE: a broken connection shows as whatever was asked for, and while nothing is asked, not at all.
    """

    def __init__(self, selector: Any) -> None:
        self._selector = selector
        self._registered: set[int] = set()
        self.fileno = selector.fileno

    def close(self) -> None:
        self._selector.close()

    def register(self, fd: int, mask: int) -> None:
        if mask:
            self._selector.register(fd, _WANTED[mask])
            self._registered.add(fd)

    def modify(self, fd: int, mask: int) -> None:
        if not mask:
            self.unregister(fd)
        elif fd in self._registered:
            self._selector.modify(fd, _WANTED[mask])
        else:
            self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        if fd in self._registered:
            self._registered.remove(fd)
            self._selector.unregister(fd)

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """All that is ready, which may be more than `most`: what is left out would be the same ones each time."""
        return [(key.fd, _FOUND[found]) for key, found in self._selector.select(timeout)]


def hasReadiness() -> bool:
    """Whether this system has something that suits the fast driver."""
    return hasattr(select, "epoll") or hasattr(selectors, "KqueueSelector")


def newReadiness() -> Readiness:
    """The best there is."""
    if hasattr(select, "epoll"):
        return select.epoll()
    kqueue: Any = vars(selectors)["KqueueSelector"]
    return SelectorReadiness(kqueue())
