"""The TLS front: an agent, a visitor whose TLS ends here, or one whose TLS is passed through untouched."""

from __future__ import annotations

from functools import partial
from typing import Any

from OpenSSL import SSL
from twisted.logger import Logger

from diglett.gateway.agents import Agents
from diglett.gateway.crowd import VisitorCrowds
from diglett.gateway.ingress.front import HttpFront
from diglett.gateway.ingress.port import letThrough
from diglett.gateway.registry import Registry
from diglett.link.greeting import timer
from diglett.link.link import reasonOf
from diglett.peek.clienthello import ClientHello, NotTLS, peekClientHello
from diglett.plane.channel import Channel, formatAddress
from diglett.plane.tls import describe
from diglett.trust.contexts import serverNameOf
from diglett.wire.frames import ALPN, Way

log = Logger()

TLS_TIMEOUT = 10.0
_scratch = memoryview(bytearray(16_384 + 5))


class TlsFront:
    """Finds out what a connection on the HTTPS port is."""

    def __init__(
        self, plane: Any, contexts: Any, front: HttpFront, registry: Registry, agents: Agents, crowds: VisitorCrowds
    ) -> None:
        self._plane = plane
        self._crowds = crowds
        self._contexts = contexts
        self._front = front
        self._registry = registry
        self._agents = agents

    def accepted(self, channel: Channel) -> None:
        """A connection."""
        if not self._crowds.handshakes.admit(channel, channel.peer):
            return
        if self._registry.passesThrough or not self._front.lobby.open:
            _Peek(self, channel)
        else:
            self.terminate(channel)

    def terminate(self, channel: Channel, received: bytes = b"") -> None:
        """TLS ends here."""
        connection: SSL.Connection = self._contexts.connection()
        tls = self._plane.tls(channel, connection)

        def secured(error: Exception | None) -> None:
            cancel()
            self.leave(channel)
            if error is not None:
                why = describe(error) if isinstance(error, SSL.Error) else reasonOf(error)
                peer = formatAddress(channel.peer)
                log.debug("{peer}: TLS failed: {reason}", event="visitor-tls-failed", peer=peer, reason=why)
                channel.close()
            elif connection.get_alpn_proto_negotiated() == ALPN:
                self._agents.secured(tls)
            else:
                self._front.visit(tls, True, _hostAsked(connection))

        cancel = timer(self._plane.clock, TLS_TIMEOUT, lambda: self.abort(channel))
        tls.handshake(secured, received)

    def leave(self, channel: Channel) -> None:
        """Its handshake is over, or none of ours."""
        self._crowds.handshakes.leave(channel.peer)

    def abort(self, channel: Channel) -> None:
        """It has led to nothing."""
        self.leave(channel)
        channel.abort()

    def choose(self, channel: Channel, hello: ClientHello | None, received: bytes) -> None:
        """The first bytes have been seen; they are passed on to wherever the connection goes."""
        agent = hello is not None and ALPN in hello.protocols
        name = self._front.nameOf(hello.serverName) if hello is not None and hello.serverName else ""
        if not agent and self._front.lobby.expects(name):
            go, gone = partial(self.choose, channel, hello, received), partial(self.leave, channel)
            self._front.lobby.keep(channel, name, go, gone)
            return
        public = self._registry.find(name) if name else None
        if public is None or public.kind != "tls" or agent:
            self.terminate(channel, received)
            return
        self.leave(channel)
        visitors = self._crowds.visitors
        if visitors.admit(channel):
            letThrough(public, channel, Way.TLS, "", visitors, received)


def _hostAsked(connection: SSL.Connection) -> str | None:
    """The host of SNI. Some clients put an address there, which is none and obliges to nothing."""
    name = serverNameOf(connection)
    return None if name is None or name.replace(".", "").isdigit() or ":" in name else name


class _Peek:
    """Reads until the ClientHello is complete."""

    def __init__(self, front: TlsFront, channel: Channel) -> None:
        self._front = front
        self._channel = channel
        self._received = b""
        self._cancel = timer(front._plane.clock, TLS_TIMEOUT, lambda: front.abort(channel))
        channel.owner = self
        channel.resumeReading()

    def readable(self) -> None:
        try:
            size = self._channel.readInto(_scratch)
        except OSError:
            size = 0
        if size < 0:
            return
        if size == 0:
            self._cancel()
            self._front.abort(self._channel)
            return
        self._received += _scratch[:size]
        try:
            hello = peekClientHello(self._received)
        except NotTLS:
            # TLS itself says so best: the visitor gets its alert.
            self._decide(None)
            return
        if hello is not None:
            self._decide(hello)

    def _decide(self, hello: ClientHello | None) -> None:
        self._cancel()
        self._channel.pauseReading()
        self._front.choose(self._channel, hello, self._received)

    def drained(self, size: int) -> None:
        """Nothing was written."""

    def broken(self, error: Exception) -> None:
        self._cancel()
        self._front.leave(self._channel)
