"""The agent's way to a link: connect, TLS, verify, handshake; what comes out is established or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from diglett.errors import DiglettError, LinkLost, ProtocolError
from diglett.link.greeting import HandshakeOwner, timer
from diglett.link.link import Link, LinkHandler, reasonOf
from diglett.plane.channel import Target
from diglett.plane.tls import TLSChannel, describe
from diglett.wire.frames import ALPN
from diglett.wire.handshake.agent import AgentHandshake, Outcome
from diglett.wire.messages import Hello, Login, Register

CONNECT_TIMEOUT = 10.0
HANDSHAKE_TIMEOUT = 30.0
"""Seconds for TLS and the handshake's first answer."""
ANSWER_TIMEOUT = 45.0
"""Seconds for each further answer: the gateway may be waiting for a proxy to route."""
UNREAD_MAX = 1 << 20


class Trust(Protocol):
    """How the gateway is verified: `diglett.trust.client`."""

    def connection(self) -> SSL.Connection: ...

    def verify(self, connection: SSL.Connection) -> None: ...

    def explain(self, error: Exception) -> DiglettError | None: ...


class Dialling:
    """One attempt. `done` fires with `(link, outcome)`, or fails with a DiglettError; cancelling ends the attempt."""

    def __init__(
        self,
        plane: Any,
        target: Target,
        trust: Trust,
        handler: LinkHandler,
        hello: Hello,
        login: Login,
        registrations: Sequence[Register],
    ) -> None:
        self._plane = plane
        self._target = target
        self._trust = trust
        self._handler = handler
        self._hello = hello
        self._login = login
        self._registrations = registrations
        self._channel: Any = None
        self._handshake: Any = None
        self._owner: HandshakeOwner | None = None
        self._over = False
        self._connecting = plane.connect(target, CONNECT_TIMEOUT)
        self._cancelTimer = timer(plane.clock, CONNECT_TIMEOUT + HANDSHAKE_TIMEOUT, self._timedOut)
        self.done: Deferred[tuple[Link, Outcome]] = Deferred(lambda _: self._stop())
        self._connecting.addCallbacks(self._connected, self._notConnected)

    @property
    def stage(self) -> str:
        """How far it came: it failed, if it did, at `connect`, `tls`, `protocol`, `token` or `name`."""
        if self._handshake is not None:
            stage: str = self._handshake.stage
            return stage
        return "connect" if self._channel is None else "tls"

    @property
    def granted(self) -> int:
        """Names that the gateway has agreed to: the next one is what it failed over."""
        return self._handshake.granted if self._handshake is not None else 0

    def _connected(self, channel: Any) -> None:
        if self._over:
            channel.abort()
            return
        self._channel = channel
        try:
            connection = self._trust.connection()
        except DiglettError as error:  # its files have changed, and not for the better
            self._fail(error)
            return
        self._plane.tuneLink(channel, 30.0)
        self._channel = tls = self._plane.tls(channel, connection)
        tls.handshake(self._secured)

    def _notConnected(self, failure: Failure) -> None:
        self._fail(LinkLost(f"cannot reach {self._target}: {reasonOf(failure.value)}"))

    def _secured(self, error: Exception | None) -> None:
        if self._over:
            return
        tls: TLSChannel = self._channel
        if error is not None:
            explained = self._trust.explain(error) if isinstance(error, SSL.Error) else None
            said = describe(error) if isinstance(error, SSL.Error) else reasonOf(error)
            self._fail(explained or LinkLost(f"TLS with {self._target} failed: {said}"))
            return
        try:
            self._trust.verify(tls.connection)
        except DiglettError as refused:
            self._fail(refused)
            return
        if tls.connection.get_alpn_proto_negotiated() != ALPN:
            self._fail(LinkLost(f"{self._target} is no diglett gateway (it does not speak {ALPN.decode()})"))
            return
        handshake = AgentHandshake(
            self._send, self._hello, self._login, self._registrations, self._established, self._fail
        )
        self._shake(handshake, HandshakeOwner(tls, handshake, UNREAD_MAX, self._trust.explain, self._heard))

    def _shake(self, handshake: Any, owner: HandshakeOwner) -> None:
        """Begin the handshake on a channel that is secured."""
        self._handshake = handshake
        self._owner = owner
        handshake.start()
        if not self._over:
            self._channel.resumeReading()

    def _send(self, data: bytes) -> None:
        if self._owner is not None:
            self._owner.send(data)

    def _established(self, outcome: Outcome) -> None:
        if self._over:
            return
        self._over = True
        self._cancelTimer()
        assert self._owner is not None
        self._owner.release()
        link = self._newLink(outcome)
        rest = self._handshake.rest
        self.done.callback((link, outcome))
        link.start(rest())

    def _newLink(self, outcome: Outcome) -> Link:
        return Link(
            self._plane,
            self._channel,
            self._handler,
            opens=False,
            ours=self._hello,
            theirs=outcome.hello,
            terms=outcome.terms,
            label=str(self._target),
        )

    def _heard(self) -> None:
        """The gateway is at it."""
        self._cancelTimer()
        self._cancelTimer = timer(self._plane.clock, ANSWER_TIMEOUT, self._timedOut)

    def _timedOut(self) -> None:
        self._fail(LinkLost(f"{self._target} did not finish the handshake in time"))

    def _fail(self, error: DiglettError) -> None:
        if self._over:
            return
        if isinstance(error, ProtocolError):
            error = LinkLost(f"{self._target} breaks the protocol: {error}")
        self._stop()
        self.done.errback(error)

    def _stop(self) -> None:
        """End the attempt without a word."""
        self._over = True
        self._cancelTimer()
        self._connecting.cancel()
        if self._channel is not None:
            self._channel.abort()
