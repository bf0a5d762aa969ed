"""One HTTP request on a connection, and its answer."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from diglett import __version__
from diglett.http.messages import BadGateway, Body, ResponseHead
from diglett.http.response import ResponseReader
from diglett.link.greeting import timer
from diglett.link.link import reasonOf
from diglett.plane.channel import Channel

BODY_MAX = 65_536
_scratch = memoryview(bytearray(65_536))


@frozen
class Answer:
    """What came back; `body` is its beginning."""

    status: int
    headers: dict[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, fit to print; empty when there is none. `name` is in lower case."""
        return "".join(c for c in self.headers.get(name, "")[:100] if c.isprintable())

    @property
    def server(self) -> str:
        """The program that says it has answered, in brackets behind a space."""
        server = self.header("server")
        return f" ({server})" if server else ""


class NoHttp(Exception):
    """What came is no answer."""


class Asking:
    """Owner of the connection, which is closed in the end. `done` fires with an Answer, or fails with NoHttp."""

    def __init__(self, clock: Any, channel: Channel, host: str, path: str, seconds: float) -> None:
        self.done: Deferred[Answer] = Deferred(lambda _: self._end())
        self._channel = channel
        self._reader = ResponseReader(b"GET")
        self._head: ResponseHead | None = None
        self._body = bytearray()
        self._over = False
        self._cancel = timer(clock, seconds, lambda: self._fail(f"no answer within {seconds:g} s"))
        channel.owner = self
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: diglett-doctor/{__version__}\r\n"
            "Accept: application/json, */*\r\nConnection: close\r\n\r\n"
        ).encode("ascii")
        channel.write((request,), len(request))
        channel.resumeReading()

    def readable(self) -> None:
        try:
            size = self._channel.readInto(_scratch)
        except OSError as error:
            self.broken(error)
            return
        if size < 0 or self._over:
            return
        data = bytes(_scratch[:size])
        try:
            for event in self._reader.feed(data) if size else self._reader.eof():
                self._take(event)
        except BadGateway as error:
            self._fail(error.reason if self._head is None else "")
        else:
            if not size:
                self._fail("it closed the connection without an answer")

    def drained(self, size: int) -> None:
        """A request is short."""

    def broken(self, error: Exception) -> None:
        self._fail(reasonOf(error))

    def _take(self, event: Any) -> None:
        if isinstance(event, ResponseHead):
            if not event.interim:
                self._head = event
            return
        if isinstance(event, Body):
            self._body += event.data
        if not isinstance(event, Body) or len(self._body) >= BODY_MAX:
            self._succeed()

    def _succeed(self) -> None:
        head = self._head
        if self._over or head is None:
            return
        self._end()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
        self.done.callback(Answer(head.status, headers, bytes(self._body)))

    def _fail(self, why: str) -> None:
        if self._over:
            return
        if self._head is not None:  # it has answered, whatever became of the rest
            self._succeed()
            return
        self._end()
        self.done.errback(NoHttp(why))

    def _end(self) -> None:
        self._over = True
        self._cancel()
        self._channel.abort()
