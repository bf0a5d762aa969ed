"""Files that are read again when they change."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from diglett.auth.files import WatchedFile
from diglett.errors import UsageError


def number(data: bytes) -> int:
    """The parser of these tests."""
    try:
        return int(data)
    except ValueError:
        raise UsageError("not a number") from None


class WatchedFileTests(SynchronousTestCase):
    """`WatchedFile` on real files, with a clock of our own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = []
        self.changes = []
        self.path = Path(self.mktemp())
        self.path.write_text("1")
        self.file = WatchedFile(
            self.path, number, self.clock, Logger("test", observer=self.events.append), limit=8
        )

    def start(self) -> None:
        self.file.start(lambda: self.changes.append(self.file.value))
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.addCleanup(self.file.stop)

    def write(self, text: str) -> None:
        """Replace the content so that it certainly looks different, as time would make it."""
        self.path.write_text(text)
        self.stamp = getattr(self, "stamp", 1_000_000_000) + 1
        os.utime(self.path, (self.stamp, self.stamp))

    def test_first(self) -> None:
        """The first reading gives the value, and is not a change."""
        self.start()
        self.assertEqual((self.file.value, self.changes), (1, []))

    def test_firstFails(self) -> None:
        """What cannot be read at first is an error that names the file."""
        for text in ("x", "123456789"):
            self.write(text)
            error = self.assertRaises(UsageError, self.file.start, print)
            self.assertIn(str(self.path), str(error))
        self.path.unlink()
        self.assertIn("No such file", str(self.assertRaises(UsageError, self.file.start, print)))

    def test_poll(self) -> None:
        """A change is seen within two seconds, once."""
        self.start()
        self.write("2")
        self.clock.advance(2)
        self.clock.advance(2)
        self.assertEqual(self.changes, [2])

    def test_check(self) -> None:
        """A change is seen at once when somebody asks."""
        self.start()
        self.write("2")
        self.file.check()
        self.assertEqual(self.file.value, 2)

    def test_sameMeaning(self) -> None:
        """A file that was rewritten but means the same is no change."""
        self.start()
        self.write(" 1\n")
        self.clock.advance(2)
        self.assertEqual(self.changes, [])

    def test_broken(self) -> None:
        """A broken, too large or missing file leaves the last good value, is logged once, and can be repaired."""
        self.start()
        for breakIt in (lambda: self.write("x"), lambda: self.write("1" * 9), self.path.unlink):
            breakIt()
            del self.events[:]
            self.clock.advance(2)
            self.clock.advance(2)
            self.assertEqual(self.file.value, 1)
            self.assertEqual(len(self.events), 1)
            self.assertIn("going on with what it was before", formatEvent(self.events[0]))
        self.write("2")
        self.clock.advance(2)
        self.assertEqual(self.changes, [2])
