"""Twisted's web server without what nobody here wants: logs, timers, HTTP/2, and bodies kept in files."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

TIMEOUT = 60.0
"""Seconds that a connection may be idle between requests."""
BODY_MAX = 16 * 1_048_576
"""Bytes of a request's body, which nobody wants, that are read and dropped."""


class QuietSite(Site):
    """A site without an access log, without a timer of its own, and of HTTP/1.1 only."""

    noisy = False

    def __init__(self, resource: Resource, reactor: Any) -> None:
        super().__init__(resource, QuietRequest, timeout=TIMEOUT, reactor=reactor)

    def startFactory(self) -> None:
        """No log to open."""

    def stopFactory(self) -> None:
        """No log to close."""

    def log(self, request: Any) -> None:
        """The gateway knows its visitors; nobody else needs to."""

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]


class QuietRequest(Request):
    """A request whose body is dropped as it comes, where Twisted would keep it in a file."""

    defaultContentType = None
    _dropped = 0

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > BODY_MAX:
            self.channel.loseConnection()
