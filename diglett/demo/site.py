"""The sample site of `diglett demo`: a page, server-sent events, and an answer to measure by."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from diglett.agent.files.quiet import QuietSite
from diglett.demo.page import POLICY, page, text

INTERVAL = 1.0
"""Seconds between events."""
STREAMS_MAX = 100
"""Streams of events at a time."""


def sampleSite(reactor: Any = None) -> QuietSite:
    """The site as a factory, to listen with. Its streams of events end when the reactor is told to stop."""
    if reactor is None:
        from twisted.internet import reactor
    ticker = Ticker(reactor)
    reactor.addSystemEventTrigger("before", "shutdown", ticker.end)
    root = Resource()
    root.putChild(b"", Page())
    root.putChild(b"ping", Ping())
    root.putChild(b"events", Events(ticker))
    return QuietSite(root, reactor)


class Page(Resource):
    """Shows the request that asked for it."""

    def render_GET(self, request: Any) -> bytes:
        line = b" ".join((request.method, request.uri, request.clientproto)).decode("latin-1")
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in sorted(request.requestHeaders.getAllRawHeaders())
            for value in values
        ]
        _common(request)
        request.setHeader(b"vary", b"Accept")
        if b"text/html" not in (request.getHeader(b"accept") or b""):
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return text(line, fields)
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-security-policy", POLICY.encode("ascii"))
        return page(line, fields)


class Ping(Resource):
    """Answers at once, with nothing."""

    def render_GET(self, request: Any) -> int:
        _common(request)
        request.setResponseCode(204)
        request.finish()
        return NOT_DONE_YET


class Events(Resource):
    """Counts seconds. Who was cut off and comes back is counted on."""

    def __init__(self, ticker: Ticker) -> None:
        super().__init__()
        self._ticker = ticker

    def render_GET(self, request: Any) -> int | bytes:
        _common(request)
        if self._ticker.isFull:
            request.setResponseCode(503)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            request.setHeader(b"retry-after", b"10")
            return b"There are enough visitors for a demonstration.\n"
        request.setHeader(b"content-type", b"text/event-stream")
        last = request.getHeader(b"last-event-id") or b""
        EventStream(self._ticker, request, int(last) if last.isdigit() and len(last) < 10 else 0).start()
        return NOT_DONE_YET

    def render_HEAD(self, request: Any) -> bytes:
        _common(request)
        request.setHeader(b"content-type", b"text/event-stream")
        return b""


class Ticker:
    """Ticks once a second, as long as somebody listens."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._streams: set[EventStream] = set()
        self._call: Any = None

    @property
    def isFull(self) -> bool:
        """Whether no more streams are taken."""
        return len(self._streams) >= STREAMS_MAX

    def add(self, stream: EventStream) -> None:
        """Begin to call its `tick`."""
        self._streams.add(stream)
        if self._call is None:
            self._call = self._reactor.callLater(INTERVAL, self._tick)

    def remove(self, stream: EventStream) -> None:
        """Do not call it any more."""
        self._streams.discard(stream)
        if not self._streams and self._call is not None:
            self._call.cancel()
            self._call = None

    def end(self) -> None:
        """End all streams."""
        for stream in list(self._streams):
            stream.stopProducing()

    def _tick(self) -> None:
        self._call = self._reactor.callLater(INTERVAL, self._tick)
        for stream in list(self._streams):
            stream.tick()


@implementer(IPushProducer)
class EventStream:
    """One visitor's events. While they are not taken none are made."""

    def __init__(self, ticker: Ticker, request: Any, count: int) -> None:
        self._ticker = ticker
        self._request = request
        self._count = count
        self._paused = False

    def start(self) -> None:
        """Send the first event, and go on until the visitor leaves."""
        self._request.notifyFinish().addBoth(lambda _: self._ticker.remove(self))
        self._request.registerProducer(self, True)
        self._request.write(b"retry: 1000\n\n")
        self._ticker.add(self)
        self.tick()

    def tick(self) -> None:
        """A second has passed."""
        self._count += 1
        if not self._paused:
            self._request.write(b"id: %d\ndata: %d\n\n" % (self._count, self._count))

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        self._ticker.remove(self)
        if not self._request.finished and self._request.channel is not None:
            self._request.unregisterProducer()
            self._request.finish()


def _common(request: Any) -> None:
    request.setHeader(b"server", b"diglett")
    request.setHeader(b"cache-control", b"no-store")
    request.setHeader(b"x-content-type-options", b"nosniff")
