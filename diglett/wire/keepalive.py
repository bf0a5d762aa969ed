"""Is the peer still there? Three states; one input per tick of a slow timer, none per frame.

    alive --silent--> asking --expired--> dead
      ^_____heard_______/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define
from automat import TypeMachineBuilder


@define(eq=False)
class Watch:
    """What to do about it."""

    ping: Callable[[], None]
    giveUp: Callable[[], None]


class KeepAlive(Protocol):
    """What a tick has found."""

    def heard(self) -> None:
        """Something came since the last tick."""

    def silent(self) -> None:
        """Nothing came for as long as a ping is due."""

    def expired(self) -> None:
        """Nothing came for as long as a peer may be silent."""


def _machine() -> Callable[[Watch], KeepAlive]:
    builder = TypeMachineBuilder(KeepAlive, Watch)
    alive = builder.state("alive")
    asking = builder.state("asking")
    dead = builder.state("dead")

    @alive.upon(KeepAlive.silent).to(asking)
    def ask(machine: KeepAlive, watch: Watch) -> None:
        watch.ping()

    @asking.upon(KeepAlive.expired).to(dead)
    def giveUp(machine: KeepAlive, watch: Watch) -> None:
        watch.giveUp()

    @alive.upon(KeepAlive.expired).to(dead)
    def giveUpUnasked(machine: KeepAlive, watch: Watch) -> None:
        """The process itself was stopped for longer than that; the peer has given up on us as well."""
        watch.giveUp()

    alive.upon(KeepAlive.heard).loop().returns(None)
    asking.upon(KeepAlive.heard).to(alive).returns(None)
    asking.upon(KeepAlive.silent).loop().returns(None)
    for late in (KeepAlive.heard, KeepAlive.silent, KeepAlive.expired):
        dead.upon(late).loop().returns(None)
    return builder.build()


newKeepAlive = _machine()
