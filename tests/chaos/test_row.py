"""The table, and the document that it is written into."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.__main__ import BEGIN, END, about, write
from tests.chaos.row import HEAD, Row, table
from tests.chaos.test_judge import GOOD
from tests.sources import PACKAGE


class TableTests(SynchronousTestCase):
    """What is written down."""

    def test_row(self) -> None:
        """A row tells when it was noticed, how long it took to return, and what visitors saw, statuses first."""
        lines = list(table([Row.of(GOOD, ())]))
        self.assertEqual(
            lines[2],
            "| it breaks | keep-alive | 0.10 | 31.0 | 1.10 | 200 × 2, 503 × 1 | 29.9 | 2 | 0 | 0 | 30 → 35 | 30 → 31 |",
        )
        self.assertEqual(lines[3:], ["", "Everything was as it must be."])
        self.assertEqual(lines[2].count("|"), HEAD[0].count("|"))

    def test_wrong(self) -> None:
        """What was not as it must be is below the table, and the head counts it."""
        rows = [Row.of(GOOD, ()), Row.failed("it breaks", "idle", "no gateway\nand so on")]
        lines = list(table(rows))
        self.assertIn("**never**", lines[3])
        self.assertEqual(lines[-1], "* it breaks, idle: no gateway")
        self.assertTrue(about(rows, "a lab", 600).startswith("2 cells in a lab, 1 without a finding; 10 minutes; "))

    def test_write(self) -> None:
        """The lines replace what was between the marks, and nothing else; a document without marks is left alone."""
        document = Path(self.mktemp())
        document.write_text(f"head\n{BEGIN}\nold\n{END}\ntail\n")
        for _ in range(2):
            write(document, ["new", "lines"])
            self.assertEqual(document.read_text(), f"head\n{BEGIN}\n\nnew\nlines\n\n{END}\ntail\n")
        document.write_text("nothing")
        self.assertRaises(ValueError, write, document, ["new"])

    def test_marks(self) -> None:
        """The document of the project has the marks."""
        text = (PACKAGE.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
        self.assertEqual((text.count(BEGIN), text.count(END)), (1, 1))
