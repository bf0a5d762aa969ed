"""The table that a run prints."""

from __future__ import annotations

from typing import Iterator

from benchmarks.goals import GOALS
from benchmarks.results import Results

REFERENCES = (("direct", "x direct"), ("ssh", "x ssh -R"), ("prototype", "x prototype"))


def number(value: float) -> str:
    """Three significant digits, without exponents."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(results: Results) -> Iterator[str]:
    """Every metric with its contenders: median, spread, and ratios to the references."""
    present = [(key, head) for key, head in REFERENCES if key in results.samples]
    wide = max((len(label) for label in results.labels.values()), default=10)
    head = f"{'':{wide}}  {'median':>9}  {'min .. max':>19}" + "".join(f"  {title:>11}" for _, title in present)
    yield head
    for metric in results.metrics.values():
        lines = [
            _line(results, contender, metric.key, wide, [key for key, _ in present])
            for contender in results.labels
            if results.summary(contender, metric.key) is not None
        ]
        if lines:
            better = "more is better" if metric.more else "less is better"
            yield ""
            yield f"{metric.title} [{metric.unit}, {better}]"
            yield from lines


def _line(results: Results, contender: str, metric: str, wide: int, references: list[str]) -> str:
    own = results.summary(contender, metric)
    assert own is not None
    spread = f"{number(own.least)} .. {number(own.most)}" if own.rounds > 1 else ""
    line = f"{results.labels[contender]:{wide}}  {number(own.median):>9}  {spread:>19}"
    for reference in references:
        ratio = results.ratio(contender, metric, reference)
        line += f"  {number(ratio) if ratio is not None and reference != contender else '':>11}"
    return line.rstrip()


def goals(results: Results) -> Iterator[str]:
    """The project's goals that this run has figures for, and whether they are reached."""
    for goal in GOALS:
        value = goal.value(results)
        if value is not None:
            verdict = "reached" if goal.reached(value) else "MISSED"
            yield f"{verdict:8} {goal.text(results)}: {number(value)} (goal {goal.sign} {goal.limit:g})"


def report(results: Results) -> str:
    """All of it."""
    about = results.about
    lines = [f"{key}: {value}" for key, value in about.items()]
    lines += ["", *table(results)]
    reached = list(goals(results))
    if reached:
        lines += ["", "Goals", *reached]
    if results.problems:
        lines += ["", "Not measured", *results.problems]
    return "\n".join(lines)
