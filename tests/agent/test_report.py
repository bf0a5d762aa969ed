"""What the agent says, and where."""

from __future__ import annotations

import io
import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.report import REMIND, TOLD_MAX, JsonReporter, TextReporter
from diglett.errors import LinkLost, LoginRefused, Refused

LINES = [("https://example.gateway.com", "localhost:9000")]


class TextReporterTests(SynchronousTestCase):
    """Short lines for people."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.out, self.err = io.StringIO(), io.StringIO()
        self.report = TextReporter(self.clock.seconds, "gateway.com:20000", self.out, self.err)

    def test_theLine(self) -> None:
        """Up is one line on stdout for each tunnel, in the form of the contract, and nothing else anywhere."""
        self.report.up(LINES, again=False)
        self.assertEqual(self.out.getvalue(), "https://example.gateway.com -> localhost:9000\n")
        self.assertEqual(self.err.getvalue(), "")

    def test_onlyOnce(self) -> None:
        """Coming back says so on stderr and does not repeat the line; a changed URL is told again."""
        self.report.up(LINES, again=False)
        self.report.up(LINES, again=True)
        self.assertEqual(len(self.out.getvalue().splitlines()), 1)
        self.assertIn("connected again", self.err.getvalue())
        self.report.up([("https://other.gateway.com", "localhost:9000")], again=True)
        self.assertEqual(len(self.out.getvalue().splitlines()), 2)

    def test_troubleIsToldOnce(self) -> None:
        """The same trouble is told again only after a while, another one at once."""
        for _ in range(5):
            self.report.retrying(LinkLost("connection refused"), 0.5)
        self.report.retrying(LinkLost("no route"), 0.5)
        self.assertEqual(len(self.err.getvalue().splitlines()), 2)
        self.clock.advance(REMIND + 1)
        self.report.retrying(LinkLost("no route"), 0.5)
        self.assertEqual(len(self.err.getvalue().splitlines()), 3)

    def test_troublesInTurns(self) -> None:
        """Two troubles that take turns are told once each, until all was well in between."""
        for _ in range(5):
            self.report.retrying(LinkLost("connection refused"), 0.5)
            self.report.retrying(LinkLost("no route"), 0.5)
        self.assertEqual(len(self.err.getvalue().splitlines()), 2)
        self.report.up([], again=False)
        self.report.retrying(LinkLost("no route"), 0.5)
        self.assertEqual(len(self.err.getvalue().splitlines()), 3)
        for number in range(3 * TOLD_MAX):
            self.report.retrying(LinkLost(f"trouble {number}"), 0.5)
        self.assertLessEqual(len(self.report._troubles._told), TOLD_MAX)

    def test_saysWhatToDo(self) -> None:
        """A refusal comes with advice."""
        self.report.stopped(LoginRefused("the gateway does not accept these credentials"))
        self.assertIn("--token", self.err.getvalue())
        self.report.retrying(Refused("the name example is in use", code="name-taken"), 1)
        self.assertIn("-n", self.err.getvalue())


class JsonReporterTests(SynchronousTestCase):
    """The same for programs."""

    def test_everyLineIsAnObject(self) -> None:
        """Each event is one JSON object a line, with a time, the event and the gateway; codes tell why."""
        out = io.StringIO()
        report = JsonReporter("gateway.com:20000", out)
        report.up(LINES, again=False)
        report.lost(LinkLost("gone"))
        report.retrying(Refused("taken", code="name-taken"), 0.25)
        report.moving()
        report.stopped(None)
        events = [json.loads(line) for line in out.getvalue().splitlines()]
        self.assertEqual([e["event"] for e in events], ["up", "lost", "retrying", "moving", "stopped"])
        self.assertEqual(events[0]["tunnels"][0]["url"], "https://example.gateway.com")
        self.assertEqual(events[2]["code"], "name-taken")
        self.assertEqual([e["level"] for e in events], ["info", "warn", "warn", "info", "info"])
        self.assertTrue(all(e["gateway"] == "gateway.com:20000" and e["time"] for e in events))
