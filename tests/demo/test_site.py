"""Tests of `diglett.demo.site` and of the page it shows."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.files.quiet import TIMEOUT
from diglett.demo.site import INTERVAL, STREAMS_MAX, sampleSite


class Visit:
    """One connection of a visitor."""

    def __init__(self, site: Any) -> None:
        self.protocol = site.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    def ask(self, path: str, method: str = "GET", **fields: str) -> bytes:
        """Ask for something: everything that comes back at once."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self.transport.clear()
        self.protocol.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode("latin-1"))
        return self.transport.value()

    def events(self) -> list[int]:
        """The numbers of the events that have come since the last look."""
        found = re.findall(rb"id: (\d+)\ndata: \1\n\n", self.transport.value())
        self.transport.clear()
        return [int(number) for number in found]

    def leave(self) -> None:
        """The connection is lost."""
        self.protocol.connectionLost(Failure(ConnectionLost()))


class SampleTestCase(SynchronousTestCase):
    """A sample site on a clock of ours."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.site = sampleSite(self.reactor)
        self.site.doStart()
        self.addCleanup(self.site.doStop)


class PageTests(SampleTestCase):
    """What the page shows, and to whom."""

    def test_browser(self) -> None:
        """A browser gets a page with its own request in it."""
        answer = Visit(self.site).ask("/?a=b", Accept="text/html,*/*", X_Forwarded_For="192.0.2.7").decode()
        self.assertIn("Content-Type: text/html; charset=utf-8", answer)
        for shown in ("The tunnel works", "GET /?a=b HTTP/1.1", "<td>X-Forwarded-For</td><td>192.0.2.7</td>", "<svg"):
            self.assertIn(shown, answer)

    def test_program(self) -> None:
        """A program gets text."""
        answer = Visit(self.site).ask("/", Accept="*/*", X_One="1").decode()
        self.assertIn("Content-Type: text/plain; charset=utf-8", answer)
        self.assertIn("GET / HTTP/1.1\nAccept: */*\nHost: x\nX-One: 1\n", answer)

    def test_policy(self) -> None:
        """The page's own script and style are all that a browser runs: nothing in the request can add to them."""
        evil = '"><script>alert(1)</script>'
        answer = Visit(self.site).ask("/", Accept="text/html", X_Evil=evil, User_Agent="caf\xe9").decode()
        head, _, body = answer.partition("\r\n\r\n")
        (policy,) = re.findall("Content-Security-Policy: (.*)", head)
        for tag in ("script", "style"):
            (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", body, re.DOTALL)
            self.assertIn(f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}", policy)
        self.assertNotIn(evil, body)
        self.assertIn("caf\xe9", body)

    def test_others(self) -> None:
        """There are no other pages, and nothing takes a form."""
        for path in ("/x", "/favicon.ico", "//"):
            self.assertTrue(Visit(self.site).ask(path).startswith(b"HTTP/1.1 404"))
        for path in ("/", "/ping", "/events"):
            self.assertTrue(Visit(self.site).ask(path, "POST", Content_Length="0").startswith(b"HTTP/1.1 405"))

    def test_ping(self) -> None:
        """The answer to measure by has no body, and the connection goes on."""
        visit = Visit(self.site)
        for _ in range(3):
            answer = visit.ask("/ping")
            self.assertTrue(answer.startswith(b"HTTP/1.1 204"))
            self.assertTrue(answer.endswith(b"\r\n\r\n"))
        self.assertFalse(visit.transport.disconnecting)

    def test_head(self) -> None:
        """HEAD of everything ends at once."""
        for path in ("/", "/ping", "/events"):
            visit = Visit(self.site)
            self.assertTrue(visit.ask(path, "HEAD").endswith(b"\r\n\r\n"))
            self.assertTrue(visit.ask("/ping").startswith(b"HTTP/1.1 204"))


class EventsTests(SampleTestCase):
    """Server-sent events, one a second."""

    def test_counting(self) -> None:
        """The first comes at once, then one a second, for longer than a connection may be idle."""
        visit = Visit(self.site)
        self.assertIn(b"Content-Type: text/event-stream", visit.ask("/events"))
        self.assertEqual(visit.events(), [1])
        seconds = int(TIMEOUT) * 2
        self.reactor.pump([INTERVAL] * seconds)
        self.assertEqual(visit.events(), list(range(2, seconds + 2)))

    def test_resuming(self) -> None:
        """Who comes back is counted on; nonsense counts from the start."""
        for last, first in (("41", 42), ("x", 1), ("-5", 1), ("9" * 30, 1), ("\xb2", 1)):
            visit = Visit(self.site)
            visit.ask("/events", Last_Event_ID=last)
            self.assertEqual(visit.events(), [first])

    def test_slow(self) -> None:
        """Nothing piles up for a visitor who does not read; the count goes on."""
        visit = Visit(self.site)
        visit.ask("/events")
        visit.events()
        visit.transport.producer.pauseProducing()
        self.reactor.pump([INTERVAL] * 5)
        self.assertEqual(visit.events(), [])
        visit.transport.producer.resumeProducing()
        self.reactor.pump([INTERVAL])
        self.assertEqual(visit.events(), [7])

    def test_leaving(self) -> None:
        """When the last visitor has left, nothing keeps the clock busy."""
        visits = [Visit(self.site) for _ in range(3)]
        for visit in visits:
            visit.ask("/events")
        for visit in visits:
            self.assertNotEqual(self.reactor.getDelayedCalls(), [])
            visit.leave()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_full(self) -> None:
        """There is an end to the number of streams, and a place is free again when somebody leaves."""
        visits = [Visit(self.site) for _ in range(STREAMS_MAX)]
        for visit in visits:
            self.assertTrue(visit.ask("/events").startswith(b"HTTP/1.1 200"))
        self.assertTrue(Visit(self.site).ask("/events").startswith(b"HTTP/1.1 503"))
        visits[0].leave()
        self.assertTrue(Visit(self.site).ask("/events").startswith(b"HTTP/1.1 200"))

    def test_shutdown(self) -> None:
        """Being told to stop ends the streams properly, so that nobody has to wait for them."""
        visit = Visit(self.site)
        visit.ask("/events")
        visit.events()
        for call, arguments, keywords in self.reactor.triggers["before"]["shutdown"]:
            call(*arguments, **keywords)
        self.assertTrue(visit.transport.value().endswith(b"0\r\n\r\n"))
        visit.leave()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
