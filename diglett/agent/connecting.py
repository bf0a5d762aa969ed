"""Staying connected, as a machine: dialling, up, waiting, and stopped once and for all.

    idle --> dialling --> up --> waiting --> dialling ...
                 \\__________\\_________\\----> stopped
"""

from __future__ import annotations

from typing import Any, Protocol

from automat import TypeMachineBuilder

from diglett.errors import DiglettError


class Effects(Protocol):
    """What the machine makes happen. Must not raise."""

    def dial(self) -> Any:
        """Begin an attempt; the answer has `cancel`. It ends with `established` or `failed`."""

    def wait(self, error: DiglettError, established: bool) -> Any:
        """Begin to wait; the answer has `cancel`. It ends with `due`. `established`: a link was lost."""

    def stopped(self, error: DiglettError | None) -> None:
        """Nothing will happen any more; None when it was asked for."""

    def drainLink(self, link: Any) -> None:
        """Asked to stop while the link is up; it ends with `lost`."""

    def leaveBehind(self, link: Any) -> None:
        """This link is left to its streams: another one takes its place."""


class Connecting(Protocol):
    """What happens."""

    def start(self) -> None: ...

    def established(self, link: Any) -> None: ...

    def failed(self, error: DiglettError) -> None:
        """An attempt did, and another one may succeed."""

    def refused(self, error: DiglettError) -> None:
        """For good: no attempt can succeed."""

    def lost(self, error: DiglettError) -> None:
        """The link is gone."""

    def moved(self) -> None:
        """The gateway drains: leave this link to its streams, and dial anew."""

    def due(self) -> None:
        """The waiting is over."""

    def stop(self) -> None:
        """Asked to."""


def _machine() -> Any:
    builder = TypeMachineBuilder(Connecting, Effects)

    def dial(machine: Connecting, effects: Effects) -> object:
        return effects.dial()

    def wait(machine: Connecting, effects: Effects, error: DiglettError) -> object:
        return effects.wait(error, False)

    def waitAfterLoss(machine: Connecting, effects: Effects, error: DiglettError) -> object:
        return effects.wait(error, True)

    def keep(machine: Connecting, effects: Effects, link: Any) -> object:
        return link

    idle = builder.state("idle")
    dialling = builder.state("dialling", dial)
    up = builder.state("up", keep)
    waiting = builder.state("waiting", wait)
    recovering = builder.state("recovering", waitAfterLoss)
    leaving = builder.state("leaving")
    stopped = builder.state("stopped")

    idle.upon(Connecting.start).to(dialling).returns(None)
    dialling.upon(Connecting.established).to(up).returns(None)
    dialling.upon(Connecting.failed).to(waiting).returns(None)
    up.upon(Connecting.lost).to(recovering).returns(None)
    waiting.upon(Connecting.due).to(dialling).returns(None)
    recovering.upon(Connecting.due).to(dialling).returns(None)

    @idle.upon(Connecting.stop).to(stopped)
    def never(machine: Connecting, effects: Effects) -> None:
        effects.stopped(None)

    for pausing in (dialling, waiting, recovering):

        @pausing.upon(Connecting.stop).to(stopped)
        def cancel(machine: Connecting, effects: Effects, pending: object) -> None:
            pending.cancel()  # type: ignore[attr-defined]
            effects.stopped(None)

    @up.upon(Connecting.moved).to(dialling)
    def move(machine: Connecting, effects: Effects, link: object) -> None:
        effects.leaveBehind(link)

    @up.upon(Connecting.stop).to(leaving)
    def leave(machine: Connecting, effects: Effects, link: object) -> None:
        effects.drainLink(link)

    @leaving.upon(Connecting.lost).to(stopped)
    def left(machine: Connecting, effects: Effects, error: DiglettError) -> None:
        effects.stopped(None)

    @dialling.upon(Connecting.refused).to(stopped)
    def refused(machine: Connecting, effects: Effects, pending: object, error: DiglettError) -> None:
        effects.stopped(error)

    @up.upon(Connecting.refused).to(stopped)
    def revoked(machine: Connecting, effects: Effects, link: object, error: DiglettError) -> None:
        effects.stopped(error)

    @leaving.upon(Connecting.refused).to(stopped)
    def refusedLeaving(machine: Connecting, effects: Effects, error: DiglettError) -> None:
        effects.stopped(None)

    leaving.upon(Connecting.stop).loop().returns(None)
    leaving.upon(Connecting.moved).loop().returns(None)
    for late in (Connecting.lost, Connecting.moved):
        for state in (dialling, waiting, recovering):
            state.upon(late).loop().returns(None)
    for late in (
        Connecting.start,
        Connecting.established,
        Connecting.failed,
        Connecting.refused,
        Connecting.lost,
        Connecting.moved,
        Connecting.due,
        Connecting.stop,
    ):
        stopped.upon(late).loop().returns(None)
    return builder.build()


newConnecting = _machine()
