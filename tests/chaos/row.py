"""A cell's line in the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from tests.chaos.result import Result

_ORDER = ("200", "502", "503", "504", "404", "refused", "unkept", "reset", "cut", "hung")


@frozen
class Row:
    """What is left of a result: see the head of the table. Times in seconds, memory in MiB."""

    fault: str
    load: str
    agentNoticed: float | None
    gatewayNoticed: float | None
    back: float | None
    """From the end of the cause."""
    seen: Mapping[str, int]
    slowest: float
    finished: int
    broken: int
    corrupted: int
    before: Sequence[float]
    after: Sequence[float]
    wrong: Sequence[str]

    @classmethod
    def of(cls, result: Result, wrong: Sequence[str]) -> Row:
        """Sum it up."""
        return cls(
            result.fault,
            result.load,
            result.agentNoticed,
            result.gatewayNoticed,
            None if result.back is None else result.back - result.mended,
            dict(result.seen),
            result.slowest,
            result.finished,
            result.broken,
            result.corrupted,
            result.before,
            result.after,
            wrong,
        )

    @classmethod
    def failed(cls, fault: str, load: str, why: str) -> Row:
        """A cell that has measured nothing."""
        return cls(fault, load, None, None, None, {}, 0.0, 0, 0, 0, (0.0, 0.0), (0.0, 0.0), (why,))


HEAD = (
    "| fault | load | agent noticed, s | gateway noticed, s | back after, s | visitors saw | longest wait, s "
    "| finished | broken | corrupted | gateway, MiB | agent, MiB |",
    "|---|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|",
)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The lines of the table, and below it what was not as it must be."""
    yield from HEAD
    last = ""
    for row in rows:
        cells = (
            row.fault if row.fault != last else "",
            row.load,
            _seconds(row.agentNoticed),
            _seconds(row.gatewayNoticed),
            _seconds(row.back, "**never**"),
            ", ".join(_seen(row.seen)),
            _seconds(row.slowest),
            f"{row.finished:,}",
            str(row.broken),
            f"**{row.corrupted}**" if row.corrupted else "0",
            *(f"{before:.0f} → {after:.0f}" for before, after in zip(row.before, row.after, strict=True)),
        )
        yield f"| {' | '.join(cells)} |"
        last = row.fault
    yield ""
    wrong = [f"* {row.fault}, {row.load}: {each.splitlines()[0]}" for row in rows for each in row.wrong]
    yield "Not as it must be:" if wrong else "Everything was as it must be."
    if wrong:
        yield ""
        yield from wrong


def _seconds(value: float | None, nothing: str = "") -> str:
    if value is None:
        return nothing
    return f"{max(value, 0):.2f}" if value < 9.95 else f"{value:.1f}"


def _seen(seen: Mapping[str, Any]) -> Iterator[str]:
    for word in sorted(seen, key=lambda each: (_ORDER.index(each) if each in _ORDER else 99, each)):
        yield f"{word} × {seen[word]:,}"
