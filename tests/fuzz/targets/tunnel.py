"""Two muxes and a scheduler against queues of bytes: the model of `tests.wire.test_mux_model`, played by the input."""

from __future__ import annotations

from diglett.wire.frames import Reason
from tests.wire.test_mux_model import TwoMuxes

MODULES = ("diglett.wire.mux", "diglett.wire.inbox", "diglett.wire.outbox", "diglett.wire.windows")
SIZES = (1, 7, 100, 3_000, 16_384, 60_000, 150_000, 400_000)
STEPS_MAX = 200
SEEDS = [
    bytes([0, 0, 8, 5, 6, 255, 14, 5, 9, 1, 6, 255, 14, 255]),
    bytes([0, 1, 0, 2, 8, 4, 8, 13, 6, 255, 7, 200, 4, 1, 14, 255, 10, 2, 5, 77, 6, 40, 12, 9, 14, 255]),
    bytes(range(0, 250, 3)) * 2,
]


def check(data: bytes) -> None:
    model = TwoMuxes()
    for at in range(0, min(len(data) - 1, 2 * STEPS_MAX), 2):
        act(model, data[at], data[at + 1])
        if not at % 16:
            look(model)
    look(model)
    model.teardown()


def look(model: TwoMuxes) -> None:
    """What is true at any time."""
    model.counts()
    model.bytesInOrder()
    model.bounded()


def act(model: TwoMuxes, what: int, how: int) -> None:
    """One thing happens; of `how`, the low bits tell how much, the others to whom."""
    what, which = what % 16, how >> 3
    size = SIZES[how & 7]
    if what == 0 and not model.draining:
        model.open()
    elif what in (1, 2, 3, 8) and model.sources:
        model.send(which, size)
    elif what == 4 and model.sources:
        model.finish(which)
    elif what == 5 and model.sources and how & 7 == 5:
        model.close(which, Reason.RESET)
    elif what in (6, 7, 14, 15):
        model.move(what % 2 == 0, size)
    elif what in (9, 10) and model.sources:
        model.drainEndpoint(which, size)
    elif what == 11:
        model.block(bool(which & 1), size)
    elif what == 12:
        model.unblock(bool(which & 1))
    elif what == 13 and how == 77 and model.count > 2:
        model.drain(bool(which & 1))
    elif what == 13:
        model.wait(how / 100)
