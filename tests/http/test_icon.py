"""The icon."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from diglett.http.icon import ICON, iconUrl


class IconTests(SynchronousTestCase):
    """One drawing, in three places."""

    def test_drawing(self) -> None:
        """It is well-formed, small, and refers to nothing outside itself."""
        root = ElementTree.fromstring(ICON)
        self.assertEqual(root.attrib["viewBox"], "0 0 64 64")
        self.assertLess(len(ICON), 1500)
        self.assertNotIn("href", ICON)

    def test_url(self) -> None:
        """As a data URL it is the same drawing."""
        start, _, text = iconUrl().partition(",")
        self.assertEqual(start, "data:image/svg+xml")
        self.assertEqual(unquote(text).replace("'", '"'), ICON)
        self.assertNotIn("#", text)

    def test_docs(self) -> None:
        """The picture of the documentation is the one in the program."""
        path = Path(__file__).parents[2] / "docs" / "img" / "diglett.svg"
        if not path.exists():
            self.skipTest("no documentation here")
        self.assertEqual(path.read_text().replace("\n", ""), ICON)
