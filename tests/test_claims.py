"""The tests that the documentation names as its proofs are there."""

from __future__ import annotations

import re

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from tests.documents import DOCS

_TEST = re.compile(r"`((?:\w+\.)*test_\w+(?:\.[A-Z]\w+(?:\.test_\w+)?)?)`")


class ClaimsTests(SynchronousTestCase):
    """`docs/security.md`, and the bounds in `docs/architecture.md`."""

    def named(self, document: str) -> list[str]:
        """The tests that a document names, in its order."""
        return _TEST.findall((DOCS / document).read_text("utf-8"))

    def test_there(self) -> None:
        """Each test that is named exists."""
        for document, least in (("security.md", 80), ("architecture.md", 30)):
            names = self.named(document)
            self.assertGreater(len(names), least)
            for name in names:
                self.assertTrue(callable(namedAny(f"tests.{name}")) or "Tests" not in name, name)

    def test_everyBound(self) -> None:
        """Each bound has one."""
        text = (DOCS / "architecture.md").read_text("utf-8").partition("\n## Bounds\n")[2].partition("\n## ")[0]
        rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
        rows = [row for row in rows if not row.startswith("| **")]
        self.assertGreater(len(rows), 25)
        for row in rows:
            self.assertTrue(_TEST.search(row), row)
