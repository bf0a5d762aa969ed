"""What can happen, and what must be true when it does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial

from attrs import frozen

from tests.chaos.house import House, Noted
from tests.chaos.world import FINE, Weather

End = Callable[[], float]
"""Puts things right again; the moment when they were. To be called once."""

ATONCE = "at once"
SILENCE = "by silence"
NOTHING = "nothing"
"""There is nothing to notice: the link must stay."""
UNASKED = "unasked"
"""It is itself what is broken."""


@frozen
class Fault:
    """One row of the matrix."""

    name: str
    happens: Callable[[House], End]
    seen: frozenset[str]
    """How a visitor's request may end besides with 200; see `tests.chaos.programs.client.wordFor`."""
    back: float
    """Seconds from the end of the cause to the first good request, at most."""
    agent: str = NOTHING
    """How the agent must notice."""
    gateway: str = NOTHING
    lasts: float = 3.0
    """Seconds; longer until all have noticed who must by silence."""
    relayed: bool = False
    """Connections are ended in the middle: they go through a relay."""
    lossy: bool = False
    """Packets must be lost for it."""
    heals: bool = False
    """Nobody puts it right: that it was noticed does. `back` counts from there."""


# ---- what happens ----------------------------------------------------------------------------------------------------


def _killed(part: str, house: House) -> End:
    _part(house, part).kill()
    return _starter(house, part)


def _restarted(house: House) -> End:
    """As `systemctl restart` does it: the next one is started when the last has ended."""
    house.gateway.send(signal.SIGTERM)

    def end() -> float:
        house.gateway.ended(40)
        return house.startGateway()

    return end


def _stopped(part: str, house: House) -> End:
    program = _part(house, part)
    program.send(signal.SIGSTOP)

    def end() -> float:
        program.send(signal.SIGCONT)
        return time.monotonic()

    return end


def _refusing(house: House) -> End:
    house.backend.tell("refuse")
    house.backend.waitFor("^refusing$")

    def end() -> float:
        house.backend.tell("accept")
        house.backend.waitFor("^accepting$", 2)
        return house.backend.said("^accepting$", began) or 0.0

    began = time.monotonic()
    return end


def _ended(how: str, house: House) -> End:
    house.world.end(how)
    return _over(time.monotonic())


def _held(house: House) -> End:
    house.world.hold(True)

    def end() -> float:
        house.world.hold(False)
        return time.monotonic()

    return end


def _weather(weather: Weather, house: House) -> End:
    house.world.become(weather)

    def end() -> float:
        house.world.become(FINE)
        return time.monotonic()

    return end


def _flapping(house: House) -> End:
    for held in (True, False) * 4:
        house.world.hold(held)
        threading.Event().wait(1.5)
    return _over(time.monotonic())


def _forgotten(house: House) -> End:
    house.world.forget()
    return _over(time.monotonic())


def _over(moment: float) -> End:
    return lambda: moment


def _part(house: House, part: str) -> Noted:
    found: Noted = getattr(house, part)
    return found


def _starter(house: House, part: str) -> End:
    starters = {"gateway": house.startGateway, "agent": house.startAgent, "backend": house.startBackend}
    return starters[part]


# ---- the rows --------------------------------------------------------------------------------------------------------

_NONE: frozenset[str] = frozenset()
_GONE = frozenset({"refused", "unkept", "reset", "cut", "404", "503"})
"""The gateway is not there; then it is, and does not know its agents yet."""
_AWAY = frozenset({"reset", "cut", "503", "504"})
"""The agent is not there."""

FAULTS = (
    Fault("gateway killed", partial(_killed, "gateway"), _GONE, 3.0, agent=ATONCE, gateway=UNASKED),
    Fault("gateway stopped", partial(_stopped, "gateway"), _GONE | _AWAY, 6.0, agent=SILENCE, gateway=UNASKED),
    Fault("gateway restarted", _restarted, _GONE, 3.0, agent=ATONCE, gateway=UNASKED),
    Fault("agent killed", partial(_killed, "agent"), _AWAY, 5.0, agent=UNASKED, gateway=ATONCE),
    Fault("agent stopped", partial(_stopped, "agent"), _AWAY, 3.0, agent=UNASKED, gateway=SILENCE),
    Fault("backend killed", partial(_killed, "backend"), frozenset({"502", "reset", "cut"}), 1.5),
    Fault("backend stalled", partial(_stopped, "backend"), _NONE, 1.5, lasts=8.0),
    Fault("backend refusing", _refusing, frozenset({"502"}), 1.5),
    Fault("link reset", partial(_ended, "reset"), _AWAY, 2.0, agent=ATONCE, gateway=ATONCE, relayed=True),
    Fault("link closed", partial(_ended, "close"), _AWAY, 2.0, agent=ATONCE, gateway=ATONCE, relayed=True),
    Fault("link black-holed", _held, _AWAY, 17.0, agent=SILENCE, gateway=SILENCE),
    Fault("100 ms, 1 % loss", partial(_weather, Weather(100, 50, 1)), _NONE, 3.0, lasts=12.0, lossy=True),
    Fault("1 Mbit/s", partial(_weather, Weather(rate=1, buffer=64_000)), _NONE, 5.0, lasts=12.0),
    Fault("link flapping", _flapping, _NONE, 5.0),
    Fault("NAT entry dropped", _forgotten, _AWAY, 3.0, agent=SILENCE, gateway=SILENCE, heals=True),
)
LOADS = ("idle", "bulk down", "bulk up", "WebSockets", "keep-alive")
