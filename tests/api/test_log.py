"""What Python's logger `diglett` hears."""

from __future__ import annotations

import logging

from twisted.internet.task import Clock
from twisted.logger import Logger, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from diglett.api.log import LogReporter, startPythonLogging, toPython
from diglett.errors import LinkLost


class Noting(logging.Handler):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append((record.name, record.levelname, record.getMessage()))


class LogTestCase(SynchronousTestCase):
    """With a program that looks at all loggers."""

    def setUp(self) -> None:
        self.handler = Noting()
        root = logging.getLogger()
        root.addHandler(self.handler)
        self.addCleanup(root.removeHandler, self.handler)
        self.addCleanup(logging.getLogger("diglett").setLevel, logging.NOTSET)
        self.addCleanup(globalLogPublisher.removeObserver, toPython)
        startPythonLogging()

    def notes(self) -> list[tuple[str, str, str]]:
        """Since the last time."""
        notes, self.handler.notes = self.handler.notes, []
        return notes


class ReporterTests(LogTestCase):
    """A tunnel's fortunes."""

    def test_trouble(self) -> None:
        """Is a warning, and the same once a minute; nothing is said when all is well unless somebody wants to know."""
        clock = Clock()
        reporter = LogReporter(clock.seconds, "gateway.com:20000")
        reporter.up([("https://{x}.y", "localhost:9000")], False)
        reporter.lost(LinkLost("silence"))
        for _ in range(130):
            reporter.retrying(LinkLost("{refused}"), 1.0)
            clock.advance(1)
        reporter.up([("https://{x}.y", "localhost:9000")], True)
        reporter.retrying(LinkLost("{refused}"), 1.0)
        expected = ["lost gateway.com:20000: silence; reconnecting"] + ["{refused}; trying again"] * 4
        self.assertEqual(self.notes(), [("diglett", "WARNING", text) for text in expected])

    def test_fortune(self) -> None:
        """Who asks for information hears of the good things, too."""
        logging.getLogger("diglett").setLevel(logging.INFO)
        reporter = LogReporter(Clock().seconds, "gateway.com:20000")
        for again in (False, True):
            reporter.up([("https://x.y", "localhost:9000")], again)
        reporter.moving()
        line = "https://x.y -> localhost:9000"
        expected = [line, line + " again", "gateway.com:20000 is going away; connecting anew"]
        self.assertEqual(self.notes(), [("diglett", "INFO", text) for text in expected])


class ToPythonTests(LogTestCase):
    """Ours goes to Python's logging once, others' does not."""

    def test_ours(self) -> None:
        """What our modules log is there, with tracebacks; what others log in Twisted's log is not."""
        startPythonLogging()
        Logger(namespace="diglett.link.link").warn("{what}", what="%s of ours")
        Logger(namespace="digletts").warn("not ours")
        Logger(namespace="twisted.web").error("not ours")
        self.assertEqual(self.notes(), [("diglett", "WARNING", "%s of ours")])
        try:
            raise ValueError("x")
        except ValueError:
            Logger(namespace="diglett.agent").failure("a bug")
        self.assertEqual(self.notes(), [("diglett", "CRITICAL", "a bug")])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
