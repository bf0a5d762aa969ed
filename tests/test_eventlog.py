"""Events as lines of JSON."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent import report
from diglett.errors import LinkLost
from diglett.eventlog import LONGEST, jsonLine, jsonObserver, timestamp, withoutTokens
from tests.documents import DOCS
from tests.sources import readSources

TOKEN = "dig_" + "a1_-" * 10


class LineTests(SynchronousTestCase):
    """`jsonObserver`: what comes out for what is logged."""

    def setUp(self) -> None:
        self.out = io.StringIO()
        self.log = Logger("test", observer=jsonObserver(self.out))

    def line(self) -> dict[str, Any]:
        """The only line."""
        [line] = self.out.getvalue().splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    def test_event(self) -> None:
        """A line has time, level, the event's name, its fields as they are, and the words for people."""
        self.log.warn("{peer}: {reason}", event="link-down", peer="192.0.2.1 5", reason="gone", names=("a", "b"), n=3)
        line = self.line()
        self.assertRegex(line.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")
        self.assertEqual(
            line,
            {
                "level": "warn", "event": "link-down", "peer": "192.0.2.1 5", "reason": "gone", "names": ["a", "b"],
                "n": 3, "message": "192.0.2.1 5: gone",
            },
        )  # fmt: skip

    def test_nameless(self) -> None:
        """What others log is told in words, without fields that nobody has promised."""
        self.log.info("{what} starts", what="a port")
        line = self.line()
        self.assertEqual((line["event"], line["message"]), ("log", "a port starts"))
        self.assertNotIn("what", line)

    def test_oneLine(self) -> None:
        """Line breaks in what a stranger says begin no new line."""
        self.log.info("{reason}", event="agent-refused", reason='a\n{"event": "link-up"}\r\u2028b')
        self.assertEqual(self.out.getvalue().count("\n"), 1)
        self.assertEqual(self.line()["event"], "agent-refused")

    def test_values(self) -> None:
        """Errors become their words; what is missing is left out; what is endless is cut."""
        self.log.info("x", event="e", reason=LinkLost("gone"), account=None, big="x" * 10_000, seconds=1.23456)
        line = self.line()
        self.assertEqual((line["reason"], line["seconds"]), ("gone", 1.235))
        self.assertNotIn("account", line)
        self.assertEqual(len(line["big"]), LONGEST)

    def test_failure(self) -> None:
        """A bug keeps its traceback, in one line."""
        try:
            raise ValueError(f"with {TOKEN}")
        except ValueError:
            self.log.failure("a bug")
        line = self.line()
        self.assertEqual((line["event"], line["level"]), ("failure", "critical"))
        self.assertIn("ValueError", line["trace"])
        self.assertNotIn(TOKEN, self.out.getvalue())

    def test_noToken(self) -> None:
        """A token that somebody logs by mistake does not get out: not in fields, lists or words."""
        self.log.info("{reason}", event="e", reason=f"bad {TOKEN}", names=[TOKEN])
        self.assertNotIn(TOKEN, self.out.getvalue())
        self.assertEqual(withoutTokens(f"a {TOKEN} b"), "a (token) b")

    def test_time(self) -> None:
        """Times are those of the events, in UTC."""
        self.assertEqual(timestamp(0.25), "1970-01-01T00:00:00.250+00:00")

    @given(st.dictionaries(st.text(min_size=1), st.text() | st.binary() | st.floats() | st.none()), st.text())
    def test_anything(self, fields: dict[str, Any], words: str) -> None:
        """Whatever is logged, it is one line of JSON."""
        line = jsonLine({**fields, "log_format": "{words}", "words": words, "event": "e"})
        self.assertEqual(line.count("\n"), 1)
        self.assertEqual(json.loads(line)["event"], "e")


class DocumentTests(SynchronousTestCase):
    """The tables in `docs/operating.md`."""

    def test_events(self) -> None:
        """Every event there is, and no other, is in them."""
        sources = readSources()
        logged = {name for source in sources.values() for name in re.findall(r'event="([a-z0-9-]+)"', source.text)}
        logged |= set(re.findall(r'self\._write\("([a-z]+)"', sources[report.__name__].text))
        text = (DOCS / "operating.md").read_text("utf-8").partition("\n## Logs\n")[2].partition("\n## ")[0]
        told = {
            name
            for row in re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
            for name in re.findall(r"`([a-z0-9-]+)`", row)
        }
        self.assertEqual(told, logged | {"failure", "log"})
