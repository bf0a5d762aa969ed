"""A log that strangers cannot fill."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from diglett.hushed import Hushed


class HushedTests(SynchronousTestCase):
    """`Hushed`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[dict[str, object]] = []
        self.log = Hushed(Logger("test", observer=self.events.append), self.clock.seconds, per=60, most=10)

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]

    def test_onceEach(self) -> None:
        """Each address is told of once in a minute, whatever it does."""
        for _ in range(5):
            for address in ("a", "b"):
                self.log.warn(address, "{address}: turned away", address=address)
        self.assertEqual(self.lines(), ["a: turned away", "b: turned away"])
        self.assertEqual({str(event["log_level"].name) for event in self.events}, {"warn"})  # type: ignore[attr-defined]

    def test_counted(self) -> None:
        """What was left out is counted, and the count told before the next line."""
        for _ in range(5):
            self.log.info("a", "again")
        self.clock.advance(60)
        self.log.info("a", "again")
        self.assertEqual(self.lines(), ["again", "4 lines like the next one were left out", "again"])
        self.clock.advance(60)
        self.log.info("a", "again")
        self.assertEqual(len(self.lines()), 4)

    def test_bounded(self) -> None:
        """Thousands of addresses cause no more lines, and are not remembered."""
        for number in range(5_000):
            self.log.info(str(number), "hello")
        self.assertEqual(len(self.lines()), 10)
        self.assertLessEqual(len(self.log._told), 10)
