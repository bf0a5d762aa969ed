"""The gateway's own answers, as people and as programs get them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from diglett.http import problems
from diglett.http.messages import BadRequest, Body, End, ResponseHead
from diglett.http.pages import errorPage, wantsPage
from diglett.http.problems import Part, Problem
from diglett.http.response import ResponseReader

CHROME = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HOST = "example.gateway.com"
ALL = [
    problems.noSuchName(HOST),
    problems.noSuchName(HOST, "diglett -g gateway.com -n example 9000"),
    problems.agentAway(HOST),
    problems.starting(HOST),
    problems.agentLost(),
    problems.backendRefused(),
    problems.backendTlsFailed("the certificate is for another name"),
    problems.backendBroke("Content-Length is given twice"),
    problems.backendTimedOut(60),
    problems.misdirected(HOST, "other.gateway.com"),
    problems.requestTimedOut(),
    problems.tooManyRequests(),
    problems.tooManyStreams(),
    *(problems.badRequest(BadRequest(s, "it is bad")) for s in (400, 413, 414, 431, 501, 505)),
]
_VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """A page whose elements must nest; its text, and what would load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data


def received(raw: bytes, method: bytes = b"GET") -> tuple[ResponseHead, dict[str, str], str]:
    """The answer as our own strict reader sees it: head, fields by name, body."""
    events = ResponseReader(method).feed(raw)
    head = events[0]
    assert isinstance(head, ResponseHead) and isinstance(events[-1], End)
    body = b"".join(event.data for event in events if isinstance(event, Body))
    return (
        head,
        {name.decode().lower(): value.decode() for name, value in head.headers},
        body.decode(),
    )


class PageTests(SynchronousTestCase):
    """Every problem in every form."""

    def test_page(self) -> None:
        """For a browser: a page that nests, names status and cause, and is small."""
        for problem in ALL:
            raw = errorPage(problem, accept=CHROME)
            head, fields, body = received(raw)
            self.assertEqual(head.status, problem.status)
            self.assertEqual(fields["content-type"], "text/html; charset=utf-8")
            page = Page(body)
            self.assertEqual(page.texts["h1"], problem.title)
            self.assertEqual(page.texts["title"], f"{problem.status} {problem.title}")
            self.assertIn(problem.detail, page.texts["main"])
            self.assertIn(problem.hint, page.texts["main"])
            self.assertIn(problem.code, page.texts["footer"])
            self.assertEqual(page.texts.get("pre"), problem.command)
            self.assertIn("svg", [tag for tag, _ in page.elements])
            self.assertLess(len(raw), 8192)

    def test_json(self) -> None:
        """For a program: one object that says the same."""
        for problem in ALL:
            for accept in (b"*/*", b"", b"application/json"):
                head, fields, body = received(errorPage(problem, accept=accept))
                self.assertEqual(head.status, problem.status)
                self.assertEqual(fields["content-type"], "application/json")
                error = json.loads(body)["error"]
                self.assertEqual(error["status"], problem.status)
                self.assertEqual(error["code"], problem.code)
                self.assertEqual(error["part"], problem.part)
                self.assertEqual(error["message"], problem.detail)
                self.assertEqual(error["hint"], problem.hint)
                self.assertEqual(error.get("command"), problem.command)

    def test_accept(self) -> None:
        """Who asks for text/html, in any case, is a person."""
        self.assertTrue(wantsPage(CHROME) and wantsPage(b"Text/HTML"))
        self.assertFalse(wantsPage(b"*/*") or wantsPage(b"") or wantsPage(b"application/json"))

    def test_fields(self) -> None:
        """No copy is kept, nothing is loaded or framed, and a retry is announced when it helps."""
        for problem in ALL:
            for accept in (CHROME, b""):
                _, fields, _ = received(errorPage(problem, accept=accept))
                self.assertEqual(fields["cache-control"], "no-store")
                self.assertEqual(fields["x-content-type-options"], "nosniff")
                self.assertIn("default-src 'none'", fields["content-security-policy"])
                self.assertIn("frame-ancestors 'none'", fields["content-security-policy"])
                retry = None if problem.retryAfter is None else str(problem.retryAfter)
                self.assertEqual(fields.get("retry-after"), retry)
        self.assertEqual(problems.agentAway(HOST).retryAfter, 5)

    def test_connection(self) -> None:
        """Connection is as told, in the words of the visitor's version."""
        problem = problems.agentLost()
        for keepAlive, version, expected in (
            (False, 11, "close"),
            (False, 10, "close"),
            (True, 11, None),
            (True, 10, "keep-alive"),
        ):
            raw = errorPage(problem, keepAlive=keepAlive, version=version)
            self.assertEqual(received(raw)[1].get("connection"), expected)

    def test_head(self) -> None:
        """HEAD gets the very head of GET, and no body."""
        for accept in (CHROME, b""):
            whole = errorPage(ALL[0], accept=accept)
            head = errorPage(ALL[0], accept=accept, method=b"HEAD")
            self.assertEqual(head, whole[: whole.index(b"\r\n\r\n") + 4])
            received(head, b"HEAD")

    def test_nothingLoaded(self) -> None:
        """The page needs nothing from elsewhere, and its policy allows its own style, only that."""
        for problem in ALL:
            _, fields, body = received(errorPage(problem, accept=CHROME))
            page = Page(body)
            for tag, attributes in page.elements:
                self.assertNotIn(tag, ("script", "img", "iframe", "form", "a"))
                self.assertNotIn("style", attributes)
                self.assertFalse(any(name.startswith("on") for name in attributes))
                for name in ("href", "src"):
                    self.assertTrue((attributes.get(name) or "data:").startswith("data:"))
            digest = b64encode(sha256(page.texts["style"].encode()).digest()).decode()
            policy = fields["content-security-policy"]
            self.assertEqual(re.findall("style-src ([^;]*)", policy), [f"'sha256-{digest}'"])

    def test_escaped(self) -> None:
        """Nothing in a text can become markup, nor another header."""
        evil = "</pre><script>alert(1)</script>\"'&\r\nX: y \u2603"
        problem = Problem(503, "x", "agent", evil, evil, evil, evil, 3)
        _, fields, body = received(errorPage(problem, accept=CHROME))
        self.assertNotIn("x", fields)
        page = Page(body)
        self.assertNotIn("script", [tag for tag, _ in page.elements])
        self.assertEqual(page.texts["h1"].split(), evil.split())
        _, fields, body = received(errorPage(problem))
        self.assertNotIn("x", fields)
        self.assertEqual(json.loads(body)["error"]["message"], evil)

    def test_chain(self) -> None:
        """The way is drawn, with one place marked, for every part that can fail."""
        self.assertEqual({problem.part for problem in ALL}, set(get_args(Part)))
        marked = {"visitor": "gateway", "gateway": "gateway", "name": "agent", "agent": "agent",
                  "backend": "backend"}  # fmt: skip
        for problem in ALL:
            page = Page(received(errorPage(problem, accept=CHROME))[2])
            self.assertRegex(page.texts["ol"], "you.*gateway.*agent.*backend")
            self.assertEqual(len(page.texts["b"]), 1)
            self.assertIn(page.texts["b"] + marked[problem.part], page.texts["ol"])

    def test_tryAgain(self) -> None:
        """A page tries again by itself when that is harmless and may help."""
        for problem, method, expected in (
            (problems.agentAway(HOST, 7), b"GET", "7"),
            (problems.agentAway(HOST, 7), b"POST", None),
            (problems.backendRefused(), b"GET", None),
        ):
            page = Page(received(errorPage(problem, accept=CHROME, method=method))[2])
            refresh = [a["content"] for _, a in page.elements if a.get("http-equiv") == "refresh"]
            self.assertEqual(refresh, [expected] if expected else [])


class ProblemTests(SynchronousTestCase):
    """What the problems say."""

    def test_codes(self) -> None:
        """A code means one problem."""
        byCode = {problem.code: problem for problem in ALL}
        for problem in ALL:
            self.assertEqual(byCode[problem.code].title, problem.title)

    def test_sentences(self) -> None:
        """Texts are sentences, and say how a program misbehaved in its own place."""
        for problem in ALL:
            for text in (problem.detail, problem.hint):
                self.assertRegex(text, r"\A[A-Za-z].*\.\Z")
        long = problems.badRequest(BadRequest(400, "x" * 9000))
        self.assertLess(len(long.detail), 400)
