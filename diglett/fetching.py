"""HTTP requests of plugins: limited in time and size, signed if there is a secret.

treq, without what a request with secrets must not have: redirects are not
followed, and no cookie outlives its request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone, _HTTP11ClientFactory
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from diglett.asking import ask
from diglett.errors import DiglettError, UsageError
from diglett.names import isLoopback

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer
    from twisted.web.iweb import IAgent

SIGNATURE = "Diglett-Signature"
"""The header with the signature: `t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 of `SECONDS.BODY`."""


class _QuietFactory(_HTTP11ClientFactory):
    """What makes connections, without two lines in the log about each."""

    noisy = False


class FetchFailed(DiglettError):
    """There was no answer, or none that can be used."""


@frozen
class Answer:
    """A complete answer."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """What the body says; `FetchFailed` if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise FetchFailed("the answer is not JSON") from None


class Fetcher:
    """Makes requests to one service. `timeout` in seconds for all of one, `limit` in bytes for its answer."""

    def __init__(
        self, reactor: Any, *, timeout: float = 5.0, limit: int = 65_536, agent: IAgent | None = None
    ) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._limit = limit
        self._pool: HTTPConnectionPool | None = None
        if agent is None:
            self._pool = HTTPConnectionPool(reactor)
            self._pool.cachedConnectionTimeout = 30
            self._pool._factory = _QuietFactory
            agent = Agent(reactor, connectTimeout=timeout, pool=self._pool)
        self._agent = agent

    def stop(self) -> Deferred[None] | None:
        """Close what is kept open."""
        return self._pool.closeCachedConnections() if self._pool is not None else None

    def fetch(
        self,
        method: str,
        url: str,
        document: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        secret: bytes | None = None,
    ) -> Deferred[Answer]:
        """The answer, whatever its status; `document` is sent as JSON, signed with `secret`.

        Fails with `FetchFailed`, or with what Twisted says about the connection.
        """
        body = None if document is None else json.dumps(document, separators=(",", ":")).encode()
        fields = {"User-Agent": "diglett", "Accept": "application/json", **(headers or {})}
        if body is not None:
            fields["Content-Type"] = "application/json"
        if secret is not None:
            fields[SIGNATURE] = sign(secret, body or b"", self._reactor.seconds())
        return ask(lambda: self._fetch(method, url, body, fields), self._timeout, self._reactor)

    async def _fetch(self, method: str, url: str, body: bytes | None, fields: Mapping[str, str]) -> Answer:
        response: Any = await HTTPClient(self._agent).request(
            method,
            url,
            headers=dict(fields),
            data=None if body is None else _Body(body),
            allow_redirects=False,
            unbuffered=True,
        )
        collector = _Collector(self._limit)
        response.deliverBody(collector)
        return Answer(response.code, response.headers, await collector.whole)


class _Collector(Protocol):
    """Puts a body together, as far as `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._limit = limit
        self._body = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """One more part."""
        self._body += data
        if len(self._body) > self._limit and not self.whole.called:
            self.whole.errback(FetchFailed(f"the answer is longer than {self._limit} bytes"))
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end of the body; that of an HTTP/1.0 answer is not marked, and JSON shows if it was cut."""
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(bytes(self._body))
        else:
            self.whole.errback(FetchFailed("the answer was cut short"))

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


@implementer(IBodyProducer)
class _Body:
    """A request body that is small enough to be written at once, without waiting for the reactor's turns."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All of it is written already."""

    resumeProducing = stopProducing = pauseProducing


def sign(secret: bytes, body: bytes, now: float) -> str:
    """The value of the signature header."""
    moment = str(int(now))
    digest = hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def checkUrl(url: str) -> str:
    """`url` if secrets may be sent there: `https`, or `http` to this machine itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{url!r} is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{url!r} is not an http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise UsageError("a URL with a password in it would show up in logs and `ps`; it is not accepted")
    if parts.scheme == "http" and not isLoopback(host):
        raise UsageError(f"{url!r} would be sent unencrypted; use https")
    return url


def readSecret(file: str | None, variable: str) -> bytes | None:
    """The shared secret, from the file or else the environment variable; None if there is neither."""
    if file is None:
        return os.environ[variable].encode("utf-8", "surrogateescape") if os.environ.get(variable) else None
    try:
        secret = Path(file).expanduser().read_bytes().strip()
    except OSError as error:
        raise UsageError(f"cannot read the secret file {file}: {error.strerror}") from None
    if not secret:
        raise UsageError(f"the secret file {file} is empty")
    return secret
