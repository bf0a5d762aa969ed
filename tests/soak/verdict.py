"""Whether a run was good: one line for each thing that was not."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from tests.soak.record import Record

GROWTH = 4096
"""KiB that a process's own memory may grow from the second quarter of a run to the last one."""

SHARE = 0.1
"""The same as a share of what it has."""

WARM = 10.0
"""Minutes below which a run says nothing about growth: caches fill, and memory is taken in large pieces."""

STEADY = "steady"
"""The cell whose processes live from the beginning to the end."""


def verdict(record: Record) -> list[str]:
    """What was wrong; nothing of it when the run was good."""
    return [
        *record.corrupted,
        *record.troubles,
        *(f"{strike.cell}: never back after {strike.fault}" for strike in record.strikes if strike.back is None),
        *_idle(record),
        *_left(record),
        *_grown(record),
    ]


def series(record: Record, cell: str, part: str, column: int) -> list[tuple[float, float]]:
    """One value of a process over time: 0 its own KiB, 1 resident KiB, 2 descriptors."""
    found = ((sample["at"], sample[cell].get(part)) for sample in record.samples)
    return [(at, values[column]) for at, values in found if values]


def parts(record: Record, cell: str) -> list[str]:
    """The processes of a cell."""
    return [name for name, value in record.before.get(cell, {}).items() if isinstance(value, list)]


def growth(points: list[tuple[float, float]]) -> tuple[float, float]:
    """The medians of the second quarter and of the last one; one value's noise does not count."""
    quarter = max(1, len(points) // 4)
    values = [value for _, value in points]
    return median(values[quarter : 2 * quarter] or values), median(values[-quarter:])


def _idle(record: Record) -> Iterator[str]:
    if not record.finished:
        yield "no visit came to a good end"
    for kind in record.broken:
        if not record.finished[kind] + record.left[kind]:
            yield f"no {kind} came to a good end"


def _left(record: Record) -> Iterator[str]:
    """When all visitors have gone nothing of them may be left."""
    for cell, after in record.after.items():
        for what in ("streams", "visitors"):
            if after.get(what) != 0:
                yield f"{cell}: {after.get(what)} {what} are left"
    before, after = record.before.get(STEADY, {}), record.after.get(STEADY, {})
    for name in parts(record, STEADY):
        was, now = before[name], after.get(name)
        if now is None:
            yield f"{STEADY}: {name} is gone"
        elif now[2] > was[2]:
            yield f"{STEADY}: {name} has {now[2]} descriptors, {was[2]} before"


def _grown(record: Record) -> Iterator[str]:
    if record.minutes < WARM:
        return
    for name in parts(record, STEADY):
        for column, what, least in ((0, "KiB of its own", GROWTH), (2, "descriptors", 16)):
            points = series(record, STEADY, name, column)
            was, now = growth(points)
            if now - was > max(least, SHARE * was):
                yield f"{STEADY}: {name} has grown from {was:.0f} to {now:.0f} {what}"


def summary(record: Record) -> dict[str, Any]:
    """The figures that people want."""
    times: dict[str, list[float]] = {}
    for strike in record.strikes:
        if strike.back is not None:
            times.setdefault(strike.fault, []).append(strike.back)
    return {
        "finished": sum(record.finished.values()),
        "broken": sum(sum(reasons.values()) for reasons in record.broken.values()),
        "left": sum(record.left.values()),
        "back": {fault: (len(each), median(each), max(each)) for fault, each in sorted(times.items())},
    }
