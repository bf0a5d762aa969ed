"""One fault under one load, from the start of all processes to their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

from tests.chaos.faults import ATONCE, NOTHING, SILENCE, Fault
from tests.chaos.house import NOTICED, WITHDRAWN, House, Noted, Patience, Starter
from tests.chaos.result import Result, readNotes
from tests.chaos.world import Loopback, Namespaces, World

RETURN = 40.0
"""Seconds to wait for the return: longer than any fault may need, so that the table tells how long it was."""


@frozen
class Pace:
    """How long a cell takes, and how much its transfers are."""

    warm: float = 2.0
    """Seconds of load before the fault, and after the return."""
    after: float = 3.0
    settle: float = 2.0
    """Seconds without visitors until memory is looked at."""
    noticed: float = 3.0
    """Seconds for which a fault lasts that all have noticed who must by silence."""
    size: int = 4_000_000
    """Bytes of a transfer."""
    patience: Patience = Patience()


def pause(seconds: float) -> None:
    """Let the processes run."""
    threading.Event().wait(seconds)


def runCell(fault: Fault, load: str, folder: Path, pace: Pace, namespaces: bool) -> tuple[Result, str]:
    """Run it; what was measured, and what the programs wrote, for people. Missing: not on this machine."""
    with ExitStack() as ending:
        start = Starter(folder, ending)
        with _world(start, folder, namespaces) as world:
            house = House(start, world, fault.relayed, pace.patience)
            result = _run(fault, load, house, folder / "notes", pace)
        return result, "\n".join(map(str, start.programs))


@contextmanager
def _world(start: Starter, folder: Path, namespaces: bool) -> Iterator[World]:
    if not namespaces:
        yield Loopback(start)
        return
    with Namespaces.opened(start, folder) as world:
        yield world


def _run(fault: Fault, load: str, house: House, notes: Path, pace: Pace) -> Result:
    before = house.memory()
    visitors = house.startVisitors(load, pace.size, notes)
    pause(pace.warm)
    agent, gateway = house.agent, house.gateway
    began = time.monotonic()
    visitors.tell("probe")
    end = fault.happens(house)
    _until(began + fault.lasts)
    if SILENCE in (fault.agent, fault.gateway):
        latest = began + pace.patience.most + 1
        for how, program, pattern in ((fault.agent, agent, NOTICED), (fault.gateway, gateway, WITHDRAWN)):
            while how == SILENCE and program.said(pattern, began) is None and time.monotonic() < latest:
                pause(0.05)
        pause(pace.noticed)
    mended = end()
    back = _back(visitors, mended)
    pause(pace.after)
    visitors.tell("finish")
    status = visitors.ended(90)
    # A part that was replaced has said what it had to say; one that noticed later only is asked as it is now.
    noticed = _noticed(fault.agent, agent, NOTICED, began), _noticed(fault.gateway, gateway, WITHDRAWN, began)
    pause(pace.settle)
    after = house.memory()
    wrong = house.close()
    if status:
        wrong.append(f"the visitors had trouble:\n{visitors.err}")
    return Result(
        fault=fault.name,
        load=load,
        agentNoticed=noticed[0],
        gatewayNoticed=noticed[1],
        mended=mended - began,
        back=None if back is None else back - began,
        visits=readNotes(notes, began),
        before=before,
        after=after,
        wrong=tuple(wrong),
    )


def _noticed(how: str, program: Noted, pattern: str, began: float) -> float | None:
    when = program.said(pattern, began) if how in (ATONCE, SILENCE, NOTHING) else None
    return None if when is None else when - began


def _back(visitors: Noted, since: float) -> float | None:
    """When the first visitor was served who came after that moment."""
    latest = time.monotonic() + RETURN
    while time.monotonic() < latest and visitors.running:
        for when, began in visitors.good():
            if began >= since:
                return when
        pause(0.02)
    return None


def _until(moment: float) -> None:
    pause(max(0.0, moment - time.monotonic()))
