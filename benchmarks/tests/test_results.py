"""Figures, the table and the goals."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.goals import GOALS, Goal
from benchmarks.results import Results
from benchmarks.rows import allRows
from benchmarks.rows.base import Metric
from benchmarks.settings import Settings
from benchmarks.table import number, report


def sample() -> Results:
    """Three rounds of two contenders, one of whom failed in one row."""
    results = Results({"date": "today"}, {"direct": "direct", "ours": "ours"})
    for key, title in (("http", "HTTP"), ("connect", "connections")):
        results.metrics[key] = Metric(key, title, "/s")
    for value in (90.0, 110.0, 100.0):
        results.add("direct", {"http": value * 10, "connect": 5})
        results.add("ours", {"http": value * 4})
    results.problems.append("connect, ours: refused")
    return results


class ResultsTests(SynchronousTestCase):
    """Summing up and keeping."""

    def test_summary(self) -> None:
        """Median, extremes and rounds of what was measured."""
        summary = sample().summary("ours", "http")
        assert summary is not None
        self.assertEqual((summary.median, summary.least, summary.most, summary.rounds), (400, 360, 440, 3))

    def test_ratio(self) -> None:
        """Ratios are of medians, and None where there is nothing to compare with."""
        results = sample()
        self.assertEqual(results.ratio("ours", "http", "direct"), 0.4)
        self.assertIsNone(results.ratio("ours", "connect", "direct"))
        self.assertIsNone(results.ratio("ours", "http", "ssh"))

    def test_roundTrip(self) -> None:
        """What is saved is read back the same."""
        path = Path(self.mktemp())
        sample().save(path)
        self.assertEqual(Results.read(path), sample())


class TableTests(SynchronousTestCase):
    """What a reader sees."""

    def test_report(self) -> None:
        """Every figure that was measured, its spread and ratio, and every problem."""
        text = report(sample())
        [line] = [line for line in text.splitlines() if line.startswith("ours")]
        self.assertEqual(line.split(), ["ours", "400", "360", "..", "440", "0.40"])
        self.assertIn("connect, ours: refused", text)

    def test_number(self) -> None:
        """Three digits are enough, and no figure is hidden by rounding to an exponent."""
        self.assertEqual([number(value) for value in (12345.6, 99.94, 3.14159, 0)], ["12,346", "99.9", "3.14", "0.00"])


class GoalTests(SynchronousTestCase):
    """The goals."""

    def test_metricsExist(self) -> None:
        """Every goal is about figures that the rows give."""
        settings = Settings()
        known = {metric.key for row in allRows(settings) for metric in row.metrics(settings)}
        for goal in GOALS:
            self.assertIn(goal.metric, known)
            if goal.other is not None:
                self.assertIn(goal.other, known)

    def test_values(self) -> None:
        """A goal is about a figure, a ratio to a contender, or a ratio to another figure."""
        results = sample()
        self.assertEqual(Goal("http", "≥", 1).value(results), 400)
        self.assertEqual(Goal("http", "≥", 1, reference="direct").value(results), 0.4)
        self.assertEqual(Goal("http", "≥", 1, "direct", other="connect").value(results), 200)
        self.assertIsNone(Goal("connect", "≥", 1).value(results))

    def test_reached(self) -> None:
        """The limit itself is reached."""
        self.assertTrue(Goal("http", "≥", 5).reached(5))
        self.assertFalse(Goal("http", "≥", 5).reached(4.9))
        self.assertTrue(Goal("http", "≤", 5).reached(5))
        self.assertFalse(Goal("http", "≤", 5).reached(5.1))
