"""Visitors who came before the agents did: they wait a little while a gateway takes over from another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from diglett.plane.channel import Channel

PATIENCE = 5.0
"""Seconds that agents have to come, and visitors wait at the most."""
LOOK = 0.02
"""Seconds between looks at who has come, during that time only."""


class Names(Protocol):
    """The registry, as far as it is needed here."""

    def find(self, name: str) -> Any: ...


class Lobby:
    """Keeps connections of names whose agents are expected. Usually there are none, and nobody waits."""

    def __init__(self, clock: Any, names: Names) -> None:
        self._clock = clock
        self._names = names
        self._expected: set[str] = set()
        self._until = 0.0
        self._timer: Any = None
        self._waiting: dict[_Waiting, None] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def expect(self, names: Iterable[str]) -> None:
        """The agents of these names are on their way."""
        began = bool(self._expected)
        self._expected.update(names)
        self._until = self._clock.seconds() + PATIENCE
        if self._expected and not began:
            self._timer = self._clock.callLater(LOOK, self._look)

    @property
    def open(self) -> bool:
        """Whether nobody is expected."""
        return not self._expected

    def expects(self, name: str | None) -> bool:
        """Whether a visitor of this name has to wait; None: it has not said yet whose it is."""
        return name in self._expected if name is not None else bool(self._expected)

    def keep(self, channel: Channel, name: str | None, go: Callable[[], None], gone: Callable[[], None]) -> None:
        """`go` when the agent is there, or waiting has become pointless; `gone` when the visitor has not waited."""
        self._waiting[_Waiting(self, channel, name, go, gone)] = None

    def close(self) -> None:
        """Nobody is expected any more: everybody goes on."""
        if self._expected:
            self._timer.cancel()
            self._expected.clear()
            self._letGo()

    def leave(self, waiting: _Waiting) -> None:
        """This one is gone."""
        self._waiting.pop(waiting, None)

    def _look(self) -> None:
        for name in list(self._expected):
            public = self._names.find(name)
            if public is not None and public.live:
                self._expected.discard(name)
        if self._clock.seconds() >= self._until:
            self._expected.clear()
        self._letGo()
        if self._expected:
            self._timer = self._clock.callLater(LOOK, self._look)

    def _letGo(self) -> None:
        for waiting in [each for each in self._waiting if not self.expects(each.name)]:
            if self._waiting.pop(waiting, waiting) is None:
                waiting.go()


class _Waiting:
    """Owns the channel meanwhile, which is not read from."""

    def __init__(
        self, lobby: Lobby, channel: Channel, name: str | None, go: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        self.name = name
        self.go = go
        self._lobby = lobby
        self._gone = gone
        channel.owner = self

    def readable(self) -> None:
        """It is paused."""

    def drained(self, size: int) -> None:
        """Nothing was written."""

    def broken(self, error: Exception) -> None:
        """The visitor has gone."""
        self._lobby.leave(self)
        self._gone()
