"""A run for people: the picture, and the paragraph and tables of `docs/reliability.md`."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.soak.picture import Line, Panel, draw
from tests.soak.record import Record
from tests.soak.verdict import STEADY, growth, parts, series, verdict
from tests.summaries import writeSummary

COLORS = ("#1f5fa8", "#c2571a", "#2e7d32", "#7b3fa0")
GRAY = "#777"


def tell(record: Record, docs: Path) -> None:
    """Write both."""
    (docs / "img" / "soak.svg").write_text(picture(record), "utf-8")
    writeSummary(docs / "reliability.md", "soak", summary(record))


def picture(record: Record) -> str:
    """Memory, descriptors, streams and returns over time."""
    names = parts(record, STEADY)
    struck = [Line("gateway, when killed", _scaled(record, "struck", "gateway", 0), GRAY, faint=True)]
    colored = list(zip(names, COLORS, strict=True))
    memory = [Line(name, _scaled(record, STEADY, name, 0), color) for name, color in colored]
    descriptors = [Line(name, series(record, STEADY, name, 2), color) for name, color in colored]
    streams = [Line("of the steady pair", _told(record, STEADY, "streams"), COLORS[0])]
    streams.append(Line("where it is killed", _told(record, "struck", "streams"), GRAY, faint=True))
    back = [
        Line(f"after {what}", [(each.at + each.held, each.back) for each in record.strikes
                               if each.back is not None and each.fault.startswith(what)], color, joined=False)
        for what, color in zip(("links", "backend", "agent", "gateway"), COLORS, strict=True)
    ]  # fmt: skip
    end = record.samples[-1]["at"] if record.samples else 1.0
    return draw(
        f"{record.minutes:g} minutes, {len(record.strikes)} faults, {sum(record.finished.values()):,} visits",
        [
            Panel("Memory of their own, MiB", [*memory, *struck]),
            Panel("Open descriptors", descriptors),
            Panel("Streams", streams),
            Panel("Seconds until all was served again", back),
        ],
        end,
    )


def _scaled(record: Record, cell: str, part: str, column: int) -> list[tuple[float, float]]:
    return [(at, value / 1024) for at, value in series(record, cell, part, column)]


def _told(record: Record, cell: str, what: str) -> list[tuple[float, float]]:
    return [(sample["at"], sample[cell][what]) for sample in record.samples if what in sample[cell]]


def summary(record: Record) -> str:
    """What stands in the document."""
    return "\n".join([_overview(record), "", *_faults(record), "", *_memory(record), "", *_visits(record)])


def _overview(record: Record) -> str:
    about = record.about
    broken = sum(sum(reasons.values()) for reasons in record.broken.values())
    wrong = verdict(record)
    return (
        f"{about['date']}, commit {about['commit']}, seed {record.seed}, Python {about['python']}; "
        f"{about['machine']}.\n\n"
        f"{record.minutes:g} minutes, {len(record.strikes)} faults, {sum(record.finished.values()):,} visits with "
        f"{record.bytes / 1e9:.1f} GB that were compared byte for byte, {sum(record.left.values()):,} visitors who "
        f"left in the middle; {broken:,} visits were broken by a fault and could tell; "
        f"**{len(record.corrupted)} were corrupted**. All processes together used {record.cpu:.2f} of a core. "
        f"The verdict: {'good' if not wrong else '; '.join(wrong)}."
    )


def _faults(record: Record) -> list[str]:
    kinds: dict[str, list[tuple[float, float]]] = {}
    for each in record.strikes:
        if each.back is not None:
            kinds.setdefault(each.fault, []).append((each.held, each.back))
    rows = ["| fault | times | held, s | served again after, median | at most |", "|---|---|---|---|---|"]
    for fault, values in sorted(kinds.items()):
        held = [value for value, _ in values]
        back = [value for _, value in values]
        span = f"{min(held):.0f}–{max(held):.0f}"
        rows.append(f"| {fault} | {len(values)} | {span} | {median(back):.2f} s | {max(back):.2f} s |")
    return rows


def _memory(record: Record) -> list[str]:
    rows = [
        "| never restarted | own memory, MiB: second quarter | last quarter | afterwards "
        "| descriptors: before | most | afterwards |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in parts(record, STEADY):
        was, now = growth(series(record, STEADY, name, 0))
        before, after = record.before[STEADY][name], record.after.get(STEADY, {}).get(name) or [0, 0, 0]
        most = max((value for _, value in series(record, STEADY, name, 2)), default=0)
        memory = " | ".join(f"{value / 1024:.1f}" for value in (was, now, after[0]))
        rows.append(f"| {name} | {memory} | {before[2]} | {most:.0f} | {after[2]} |")
    return rows


def _visits(record: Record) -> list[str]:
    rows = ["| visits | finished | broken, and how the visitor was told |", "|---|---|---|"]
    for kind in sorted({*record.finished, *record.left, *record.broken}):
        reasons: dict[str, int] = record.broken.get(kind) or {}
        told = ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items(), key=lambda each: -each[1]))
        rows.append(f"| {kind} | {record.finished[kind] or record.left[kind]:,} | {told or 'none'} |")
    return rows
