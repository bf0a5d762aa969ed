"""Requests of plugins: what is sent, what is refused, and the limits."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.asking import NoAnswer
from diglett.errors import UsageError
from diglett.fetching import Fetcher, FetchFailed, checkUrl, readSecret, sign
from tests.service import Service


class FetcherTests(SynchronousTestCase):
    """`Fetcher` against a service in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.service = Service()
        self.fetcher = Fetcher(self.clock, timeout=5, limit=100, agent=self.service.agent)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def fetch(self, *arguments, **options):
        answer = self.fetcher.fetch(*arguments, **options)
        self.service.agent.flush()
        return answer

    def test_document(self) -> None:
        """A document goes out as JSON and the answer comes back with its status."""
        self.service.answer = lambda: (201, {"a": [1]})
        answer = self.successResultOf(self.fetch("POST", "http://x.test/p?q=1", {"b": "ü"}, headers={"X-A": "1"}))
        self.assertEqual((answer.status, answer.json()), (201, {"a": [1]}))
        [request] = self.service.requests
        self.assertEqual((request.method, request.uri), (b"POST", b"/p?q=1"))
        self.assertEqual(request.getHeader("Content-Type"), "application/json")
        self.assertEqual(request.getHeader("X-A"), "1")
        self.assertEqual(self.service.documents, [{"b": "ü"}])

    def test_noDocument(self) -> None:
        """Without a document there is no body."""
        self.successResultOf(self.fetch("GET", "http://x.test/"))
        self.assertEqual(self.service.bodies, [b""])
        self.assertIsNone(self.service.requests[0].getHeader("Content-Type"))

    def test_signature(self) -> None:
        """With a secret, time and body are signed, so that a receiver can tell it was us, and when."""
        self.successResultOf(self.fetch("POST", "http://x.test/", {"b": 1}, secret=b"hunter2"))
        expected = hmac.new(b"hunter2", b"1000." + self.service.bodies[0], hashlib.sha256).hexdigest()
        self.assertEqual(self.service.requests[0].getHeader("Diglett-Signature"), f"t=1000,v1={expected}")
        self.assertEqual(sign(b"hunter2", self.service.bodies[0], 1000.9), f"t=1000,v1={expected}")

    def test_redirect(self) -> None:
        """A redirect is an answer, not followed: it could lead a secret elsewhere."""
        self.service.answer = lambda: (307, b"")
        self.service.headers["Location"] = "http://evil.test/"
        self.assertEqual(self.successResultOf(self.fetch("POST", "http://x.test/", {})).status, 307)
        self.assertEqual(len(self.service.requests), 1)

    def test_tooLong(self) -> None:
        """An answer over the limit is given up; one of just that size is not."""
        self.service.answer = lambda: (200, b"x" * 101)
        self.failureResultOf(self.fetch("GET", "http://x.test/"), FetchFailed)
        self.service.answer = lambda: (200, b"x" * 100)
        self.assertEqual(len(self.successResultOf(self.fetch("GET", "http://x.test/")).body), 100)

    def test_silence(self) -> None:
        """Without an answer the request ends in its time."""
        self.service.answer = lambda: None
        answer = self.fetch("GET", "http://x.test/")
        self.clock.advance(4.9)
        self.assertNoResult(answer)
        self.clock.advance(0.1)
        self.failureResultOf(answer, NoAnswer)

    def test_notJson(self) -> None:
        """What is not JSON is a failure of its own, also if it is nested absurdly."""
        for body in (b"<html>", b"\xff", b"", b"[" * 100):
            self.service.answer = lambda body=body: (200, body)
            answer = self.successResultOf(self.fetch("GET", "http://x.test/"))
            self.assertRaises(FetchFailed, answer.json)


class CheckUrlTests(SynchronousTestCase):
    """`checkUrl`: where secrets may go."""

    def test_good(self) -> None:
        """Anything over TLS, and this machine."""
        for url in (
            "https://a.example/x?y",
            "http://127.0.0.1:8000/",
            "http://[::1]:8000/",
            "http://localhost/",
            "http://a.localhost:1/",
        ):
            self.assertEqual(checkUrl(url), url)

    def test_bad(self) -> None:
        """Unencrypted to elsewhere, no URL, or a password in it."""
        for url in (
            "",
            "x",
            "ftp://a/",
            "https://",
            "https://a:b/",
            "https://[::1/",
            "http://a.example/",
            "http://127.0.0.1.example/",
            "https://user:password@a.example/",
        ):
            error = self.assertRaises(UsageError, checkUrl, url)
            self.assertNotIn("user:password", str(error))


class ReadSecretTests(SynchronousTestCase):
    """`readSecret`: from a file or the environment."""

    def test_file(self) -> None:
        """A file's content counts without the line end; an empty or missing one is an error."""
        path = Path(self.mktemp())
        path.write_text("hunter2\n")
        self.assertEqual(readSecret(str(path), "X"), b"hunter2")
        path.write_text("\n")
        self.assertRaises(UsageError, readSecret, str(path), "X")
        path.unlink()
        self.assertRaises(UsageError, readSecret, str(path), "X")

    def test_environment(self) -> None:
        """The variable counts if no file is given; unset or empty is none."""
        self.patch(os, "environ", {"SECRET": "hunter2", "EMPTY": ""})
        self.assertEqual(readSecret(None, "SECRET"), b"hunter2")
        self.assertIsNone(readSecret(None, "EMPTY"))
        self.assertIsNone(readSecret(None, "UNSET"))
