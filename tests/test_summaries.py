"""What programs write into documents."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.summaries import writeSummary


class SummaryTests(SynchronousTestCase):
    """A marked part of a document is replaced, and nothing else."""

    def setUp(self) -> None:
        self.document = Path(self.mktemp())
        self.document.write_text("before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n", "utf-8")

    def test_replaced(self) -> None:
        """What stood there goes, as often as it is written."""
        for text in ("new", "newer · é\nand more\n\n"):
            writeSummary(self.document, "a", text)
        wanted = "before\n<!-- a: begin -->\nnewer · é\nand more\n<!-- a: end -->\nafter\n"
        self.assertEqual(self.document.read_text("utf-8"), wanted)

    def test_noPlace(self) -> None:
        """Where there is no such place nothing is written."""
        before = self.document.read_text("utf-8")
        self.assertRaises(LookupError, writeSummary, self.document, "b", "new")
        self.assertEqual(self.document.read_text("utf-8"), before)
