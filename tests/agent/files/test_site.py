"""Tests of `diglett.agent.files.site`."""

from __future__ import annotations

import os
from email.utils import formatdate
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.files.finding import Files
from diglett.agent.files.quiet import BODY_MAX, TIMEOUT
from diglett.agent.files.site import FolderSite

WHEN = 1_700_000_000


class Answer:
    """One answer, taken apart."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(status.split(" ")[1])
        self.fields = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}


class SiteTests(SynchronousTestCase):
    """A folder over HTTP/1.1."""

    def setUp(self) -> None:
        self.top = Path(self.mktemp()).absolute()
        (self.top / "sub folder").mkdir(parents=True)
        (self.top / "site").mkdir()
        (self.top / "site" / "index.html").write_bytes(b"<h1>home</h1>")
        (self.top / "a.txt").write_bytes(b"0123456789")
        os.utime(self.top / "a.txt", (WHEN, WHEN))
        (self.top / ".secret").write_bytes(b"secret")
        self.clock = Clock()
        self.site = FolderSite(Files(str(self.top)), self.clock)
        self.site.doStart()
        self.addCleanup(self.site.doStop)

    def connect(self) -> tuple[Any, StringTransport]:
        """A new connection: our side of it, and what it writes to."""
        protocol = self.site.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport

    def send(self, raw: bytes) -> StringTransport:
        """Send this on a connection of its own."""
        protocol, transport = self.connect()
        protocol.dataReceived(raw)
        return transport

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **fields: str) -> Answer:
        """Ask for something; underscores in names are hyphens."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return Answer(self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode() + body).value())

    def test_file(self) -> None:
        """A file comes whole, with all that is to be known of it."""
        answer = self.ask("/a.txt")
        self.assertEqual((answer.status, answer.body), (200, b"0123456789"))
        for name, value in {
            "content-type": "text/plain; charset=utf-8",
            "content-length": "10",
            "accept-ranges": "bytes",
            "last-modified": formatdate(WHEN, usegmt=True),
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
            "server": "diglett",
        }.items():
            self.assertEqual(answer.fields[name], value)

    def test_empty(self) -> None:
        """An empty file is a file."""
        (self.top / "empty").write_bytes(b"")
        answer = self.ask("/empty")
        self.assertEqual((answer.status, answer.fields["content-length"], answer.body), (200, "0", b""))

    def test_query(self) -> None:
        """A query changes nothing."""
        self.assertEqual(self.ask("/a.txt?x=1&y=/../").body, b"0123456789")

    def test_head(self) -> None:
        """HEAD gets the same head without the body, for everything, and ranges are none of its business."""
        (self.top / "sub folder" / "b").write_bytes(b"b")
        for path in ("/a.txt", "/", "/none", "/site/", "/sub%20folder"):
            get, head = self.ask(path), self.ask(path, "HEAD", Range="bytes=0-1")
            self.assertEqual(head.body, b"")
            self.assertEqual(head.status, get.status)
            get.fields.pop("date"), head.fields.pop("date")
            self.assertEqual(head.fields, get.fields)

    def test_methods(self) -> None:
        """Nothing can be changed: other methods are told which there are, and their bodies are dropped."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "MKCOL"):
            answer = self.ask("/a.txt", method, b"12345", Content_Length="5")
            self.assertEqual((answer.status, answer.fields["allow"]), (405, "GET, HEAD"))
        form = b"--x\r\nbroken"
        kind = "multipart/form-data; boundary=x"
        answer = self.ask("/", "POST", form, Content_Length=str(len(form)), Content_Type=kind)
        self.assertEqual(answer.status, 405)
        self.assertEqual((self.top / "a.txt").read_bytes(), b"0123456789")

    def test_longBody(self) -> None:
        """A body is dropped as it comes; too long a one ends the connection."""
        piece = bytes(65_536)
        for size in (BODY_MAX, BODY_MAX + 2):
            protocol, transport = self.connect()
            protocol.dataReceived(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(BODY_MAX // len(piece)):
                protocol.dataReceived(piece)
            self.assertEqual(transport.value().startswith(b"HTTP/1.1 405"), size == BODY_MAX)
            self.assertFalse(transport.disconnecting)
        protocol.dataReceived(b"\0")
        self.assertTrue(transport.disconnecting)

    def test_chunkedBody(self) -> None:
        """A body that does not tell its length is dropped, too, and the next request is understood."""
        body = b"5\r\n12345\r\n0\r\n\r\n" + b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = self.ask("/", "POST", body, Transfer_Encoding="chunked")
        self.assertEqual(answer.status, 405)
        self.assertTrue(answer.body.endswith(b"0123456789"))

    def test_unchanged(self) -> None:
        """Who has it already is told so, without a body; a tag that differs wins over the time."""
        tag, date = self.ask("/a.txt").fields["etag"], formatdate(WHEN, usegmt=True)
        for fields in (
            {"If_None_Match": tag},
            {"If_None_Match": f'"x", W/{tag}'},
            {"If_Modified_Since": date},
            {"If_None_Match": tag, "If_Modified_Since": formatdate(0, usegmt=True)},
        ):
            answer = self.ask("/a.txt", **fields)
            self.assertEqual((answer.status, answer.body), (304, b""))
            self.assertEqual(answer.fields["etag"], tag)
            self.assertNotIn("content-length", answer.fields)
            self.assertNotIn("content-type", answer.fields)
        for fields in (
            {"If_None_Match": '"x"', "If_Modified_Since": date},
            {"If_Modified_Since": formatdate(WHEN - 1, usegmt=True)},
            {"If_Modified_Since": "yesterday"},
        ):
            self.assertEqual(self.ask("/a.txt", **fields).status, 200)

    def test_changed(self) -> None:
        """A change in time or size makes another tag."""
        tag = self.ask("/a.txt").fields["etag"]
        os.utime(self.top / "a.txt", ns=(0, WHEN * 10**9 + 1))
        other = self.ask("/a.txt").fields["etag"]
        self.assertNotEqual(other, tag)
        self.assertEqual(self.ask("/a.txt", If_None_Match=tag).status, 200)

    def test_range(self) -> None:
        """A part of a file, what is not there, and what cannot be understood."""
        answer = self.ask("/a.txt", Range="bytes=2-4")
        self.assertEqual((answer.status, answer.body), (206, b"234"))
        self.assertEqual(answer.fields["content-range"], "bytes 2-4/10")
        self.assertEqual(answer.fields["content-length"], "3")
        self.assertEqual(self.ask("/a.txt", Range="bytes=-999").body, b"0123456789")
        answer = self.ask("/a.txt", Range="bytes=10-")
        self.assertEqual((answer.status, answer.fields["content-range"], answer.body), (416, "bytes */10", b""))
        for value in ("bytes=4-2", "bytes=0-1,3-4", "lines=1-2"):
            self.assertEqual(self.ask("/a.txt", Range=value).status, 200)

    def test_ifRange(self) -> None:
        """Resuming works with the same file only."""
        tag, date = self.ask("/a.txt").fields["etag"], formatdate(WHEN, usegmt=True)
        for value, status in ((tag, 206), (date, 206), ('"x"', 200), (f"W/{tag}", 200), (formatdate(0), 200)):
            self.assertEqual(self.ask("/a.txt", Range="bytes=5-", If_Range=value).status, status, value)

    def test_folder(self) -> None:
        """A folder is listed, without what is hidden, and refreshed each time."""
        answer = self.ask("/")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.fields["content-type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", answer.fields["content-security-policy"])
        for text in (b'"./a.txt"', b'"./sub%20folder/"', b'"./site/"'):
            self.assertIn(text, answer.body)
        self.assertNotIn(b"secret", answer.body)
        self.assertNotIn(b"../", answer.body)
        self.assertIn(b'"../"', self.ask("/sub%20folder/").body)

    def test_index(self) -> None:
        """A folder's page is shown in place of its listing."""
        answer = self.ask("/site/")
        self.assertEqual((answer.status, answer.body), (200, b"<h1>home</h1>"))
        self.assertEqual(answer.fields["content-type"], "text/html; charset=utf-8")
        self.assertNotIn("content-security-policy", answer.fields)
        self.assertEqual(self.ask("/site/", Range="bytes=4-7").body, b"home")

    def test_indexFolder(self) -> None:
        """A folder that is called like a page is none."""
        (self.top / "sub folder" / "index.html").mkdir()
        (self.top / "sub folder" / "index.htm").write_bytes(b"page")
        self.assertEqual(self.ask("/sub%20folder/").body, b"page")

    def test_slash(self) -> None:
        """A folder's address ends with a slash, a file's does not; no address leads to another site."""
        answer = self.ask("/sub%20folder?a=1")
        self.assertEqual((answer.status, answer.fields["location"]), (301, "/sub%20folder/?a=1"))
        self.assertEqual(self.ask("/a.txt/").status, 404)
        for path in ("//site", "//evil.example/..", "/\\evil.example", "//evil.example/%2e%2e", "/site//"):
            self.assertEqual(self.ask(path).status, 404, path)

    def test_hidden(self) -> None:
        """No spelling gets what is hidden or outside."""
        for path in (
            "/.secret", "/%2esecret", "/site/../.secret", "/../", "/..%2f..%2fetc/passwd", "/%2e%2e/",
            "/site/%2e%2e/a.txt", "/a.txt%00", "/%2fetc%2fpasswd", "//etc/passwd", "/site%2findex.html", "/.", "/..",
            "/%ff%fe", "*", "http://x/a.txt",
        ):  # fmt: skip
            answer = self.ask(path)
            self.assertIn(answer.status, (404, 405), path)
            self.assertNotIn(b"secret", answer.body)

    def test_unreadable(self) -> None:
        """What may not be read is said to be so."""

        def refuse(found: object) -> None:
            raise PermissionError

        files = Files(str(self.top))
        files.open = files.list = refuse
        self.site = FolderSite(files, self.clock)
        self.assertEqual(self.ask("/a.txt").status, 403)
        self.assertEqual(self.ask("/").status, 403)

    def test_vanished(self) -> None:
        """What goes away between two looks is not there."""

        def fail(found: object) -> None:
            raise FileNotFoundError

        files = Files(str(self.top))
        files.open = files.list = fail
        self.site = FolderSite(files, self.clock)
        self.assertEqual(self.ask("/a.txt").status, 404)
        self.assertEqual(self.ask("/").status, 404)

    def test_oldAndNew(self) -> None:
        """Times that no date of HTTP can tell do not get in the way."""
        for seconds in (-(10**9), 2**40):
            os.utime(self.top / "a.txt", (seconds, seconds))
            self.assertEqual(self.ask("/a.txt").status, 200)

    def test_pipelined(self) -> None:
        """Several requests on one connection are answered in order."""
        one = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
        raw = self.send(one % b"a.txt" + one % b"none" + one % b"site/").value()
        self.assertLess(raw.index(b"0123456789"), raw.index(b"There is no such file"))
        self.assertLess(raw.index(b"There is no such file"), raw.index(b"<h1>home</h1>"))

    def test_idle(self) -> None:
        """A connection without a request ends, and nothing else keeps the clock busy."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        transport = self.send(b"")
        self.clock.advance(TIMEOUT)
        self.assertTrue(transport.disconnecting)
