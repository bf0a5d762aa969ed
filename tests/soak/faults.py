"""What happens to a cell, one fault at a time, and how long it takes until everything is served again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable

from tests.soak.house import KINDS, Cell, Part
from tests.soak.record import Record, Strike
from tests.soak.visits import Visitor, request, send, talk

LIMIT = 90.0
"""Seconds after which something has not come back. A link that is noticed to be dead after 30 s is among it."""

SLOW = 5.0
"""Seconds after which it is worth a look at the logs."""

Fault = Callable[["Faults", float], Iterable[str]]
"""Does it, holds it for so many seconds and ends it; the names that it may have hit."""


class Faults:
    """Strikes a cell until it is over. `scale` shortens everything, for short runs."""

    def __init__(self, cell: Cell, record: Record, faults: dict[str, Fault], seed: int, scale: float) -> None:
        self.cell = cell
        self.record = record
        self.random = random.Random(seed)
        self.scale = scale
        self._faults = faults
        self._probe = Visitor(cell, record, seed, 0)
        self._slow: list[str] = []
        """What the last return had to wait for."""

    def run(self) -> None:
        """All kinds of faults in an order that chance chooses anew each time, the short ones four times as often."""
        coming: list[str] = []
        kinds = [name for name in sorted(self._faults) for _ in range(1 if name in LONG else 4)]
        while self.cell.pause(self.random.uniform(2, 8) * self.scale):
            coming = coming or self.random.sample(kinds, len(kinds))
            self.strike(coming.pop())

    def strike(self, name: str) -> None:
        """One fault, and what comes after it."""
        at = self.record.now()
        hold = self.random.uniform(0, 5) * self.scale
        if name in LONG:
            hold = 35 + hold
        try:
            hit = list(self._faults[name](self, hold))
            ended = self.record.now()
            back = self.back(hit)
            if back is None:
                self.cell.trouble(f"after {name}: {', '.join(hit)} did not come back within {LIMIT:.0f} s")
        except Exception as error:
            self.cell.trouble(f"{name}: {type(error).__name__}: {error}")
            raise
        self.record.strike(
            Strike(self.cell.name, name, tuple(hit), round(at, 1), round(ended - at, 1), back and round(back, 2))
        )
        if back is None or back > SLOW:
            parts = [self.cell.gateway, *(self.cell.agents[each] for each in hit)]
            said = "\n".join([*self._slow, *(str(part.program)[-3000:] for part in parts)])
            print(f"{self.cell.name}: {name} ({', '.join(hit)}) at {at:.1f} s: back after {back} s\n{said}", flush=True)

    def back(self, names: Iterable[str]) -> float | None:
        """Seconds until each of these names is served; None when one is not."""
        began = time.monotonic()
        self._slow = []
        for name in names:
            while not self.served(name):
                if time.monotonic() - began > LIMIT:
                    return None
                time.sleep(0.05)
        return time.monotonic() - began

    def served(self, name: str) -> bool:
        """Whether a name answers now."""
        began = time.monotonic()
        answer = "served"
        try:
            PROBES[name](self._probe)
        except Exception as error:
            answer = repr(error)
        took = time.monotonic() - began
        if took > 1:
            self._slow.append(f"{name}: {answer} after {took:.2f} s")
        return answer == "served"

    def gateway(self) -> Part:
        """The only one."""
        return self.cell.gateway

    def agent(self) -> Part:
        """One of them."""
        return self.cell.agents[self.random.choice(sorted(KINDS))]

    def backend(self) -> Part:
        """One of them."""
        return self.cell.backends[self.random.choice(sorted(KINDS))]


PROBES: dict[str, Callable[[Visitor], object]] = {
    "site": lambda visitor: request(visitor, 1),
    "chat": lambda visitor: talk(visitor, 1, 100, 0),
    "bulk": lambda visitor: send(visitor, 100, 0, 0),
}


def ofPart(victim: Callable[[Faults], Part], end: Callable[[Part], object], again: Callable[[Part], object]) -> Fault:
    """A fault of one process: what ends it, and what, after a while, brings it back."""

    def fault(faults: Faults, hold: float) -> Iterable[str]:
        part = victim(faults)
        end(part)
        faults.cell.pause(hold)
        again(part)
        return KINDS if part is faults.cell.gateway else [part.name.removeprefix("agent ")]

    return fault


def startGateway(gateway: Part) -> None:
    """A new one, when it serves."""
    gateway.cell.startGateway()


def startBackend(backend: Part) -> None:
    """A new one at the same port, when it listens."""
    backend.start().waitFor("^port ")


def linksCut(faults: Faults, hold: float) -> Iterable[str]:
    """Every link is reset."""
    faults.cell.relay.cut()
    return KINDS


def linksSilent(faults: Faults, hold: float) -> Iterable[str]:
    """Nothing comes through any more, and nobody is told."""
    faults.cell.relay.freeze()
    faults.cell.pause(hold)
    faults.cell.relay.thaw()
    return KINDS


STEADY: dict[str, Fault] = {
    "links cut": linksCut,
    "links silent": linksSilent,
    "links silent for long": linksSilent,
    "backend killed": ofPart(Faults.backend, Part.kill, startBackend),
}
"""What happens where no process of ours is touched."""

STRUCK: dict[str, Fault] = {
    **STEADY,
    "agent killed": ofPart(Faults.agent, Part.kill, Part.start),
    "agent stopped": ofPart(Faults.agent, Part.stop, Part.start),
    "agent frozen": ofPart(Faults.agent, Part.freeze, Part.thaw),
    "agent frozen for long": ofPart(Faults.agent, Part.freeze, Part.thaw),
    "gateway killed": ofPart(Faults.gateway, Part.kill, startGateway),
    "gateway stopped": ofPart(Faults.gateway, Part.stop, startGateway),
    "gateway frozen": ofPart(Faults.gateway, Part.freeze, Part.thaw),
    "gateway frozen for long": ofPart(Faults.gateway, Part.freeze, Part.thaw),
}
"""Stopped by SIGTERM, which lets running streams finish; killed by SIGKILL; frozen by SIGSTOP."""

LONG = {name for name in STRUCK if name.endswith("for long")}
"""Held for longer than the 30 s after which a silent link is given up."""


def shortened(faults: dict[str, Fault]) -> dict[str, Fault]:
    """Without those that take long."""
    return {name: fault for name, fault in faults.items() if name not in LONG}
