"""Choosing rows and contenders, and tunnels named in a file."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.contenders.named import readNamed
from benchmarks.errors import Trouble
from benchmarks.options import chooseContenders, chooseRows
from benchmarks.rows import allRows
from benchmarks.settings import Settings


class ChooseTests(SynchronousTestCase):
    """--rows and --contenders."""

    def rows(self, wanted: str | None) -> list[str]:
        return [row.key for row in chooseRows(wanted, Settings())]

    def test_all(self) -> None:
        """Without a wish, everything, and no two rows or figures share a key."""
        settings = Settings()
        rows = self.rows(None)
        self.assertEqual(len(rows), len(set(rows)))
        keys = [metric.key for row in allRows(settings) for metric in row.metrics(settings)]
        self.assertEqual(len(keys), len(set(keys)))

    def test_families(self) -> None:
        """A name stands for all rows that begin with it, in the table's order; https is not http."""
        self.assertEqual(self.rows("http,bulk-up"), ["bulk-up-1", "bulk-up-8", "http"])

    def test_unknown(self) -> None:
        """A name nobody has is an error that tells the names there are."""
        self.assertIn("bulk-up-1", str(self.assertRaises(Trouble, self.rows, "bulky")))
        self.assertRaises(Trouble, chooseContenders, "ours,theirs", None, [])
        self.assertRaises(Trouble, self.rows, ",")

    def test_contenders(self) -> None:
        """Contenders are named exactly."""
        self.assertEqual([each.key for each in chooseContenders("ours,direct", None, [])], ["direct", "ours"])

    def test_prototype(self) -> None:
        """The prototype is there when its folder is given."""
        self.assertRaises(Trouble, chooseContenders, "prototype", None, [])
        [found] = chooseContenders("prototype", Path("somewhere"), [])
        self.assertEqual(found.key, "prototype")


class NamedTests(SynchronousTestCase):
    """Tunnels from a file."""

    def read(self, text: str) -> list[str]:
        path = Path(self.mktemp())
        path.write_text(text)
        return [each.key for each in readNamed(path)]

    def test_example(self) -> None:
        """The file we ship is one that works."""
        path = Path(__file__).parents[1] / "others.toml"
        keys = [each.key for each in chooseContenders(None, None, [path])]
        self.assertEqual([key for key in ("rathole", "frp", "chisel", "bore", "original") if key not in keys], [])

    def test_mistakes(self) -> None:
        """Each mistake is named."""
        for text, expected in (
            ("[[tunnel]]\nname = 'x'\ngateway = ['x']\n", "lacks 'agent'"),
            ("[[tunnel]]\nname = 'x'\ngatway = ['x']\n", "'gatway'"),
            ("[[tunnel]]\nname = 'x'\ngateway = [1]\nagent = ['y']\n", "strings"),
            ("[tunnels]\n", "only [[tunnel]]"),
            ("[[tunnel\n", "line 1"),
        ):
            self.assertIn(expected, str(self.assertRaises(Trouble, self.read, text)))

    def test_twice(self) -> None:
        """Two contenders of one name would be one column."""
        path = Path(self.mktemp())
        path.write_text("[[tunnel]]\nname = 'ssh'\ngateway = ['x']\nagent = ['y']\n")
        self.assertRaises(Trouble, chooseContenders, None, None, [path])
