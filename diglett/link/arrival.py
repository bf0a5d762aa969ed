"""The gateway's way to a link: TLS on an accepted connection, the handshake at a desk, limits and time-outs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

from diglett.errors import DiglettError, LinkLost, ProtocolError, Refused
from diglett.hushed import Hushed
from diglett.link.greeting import HandshakeOwner, timer
from diglett.link.link import Link, LinkHandler, reasonOf
from diglett.plane.channel import Channel, formatAddress
from diglett.plane.tls import TLSChannel, describe
from diglett.wire.frames import ALPN
from diglett.wire.handshake.gateway import Desk, GatewayHandshake
from diglett.wire.messages import Established, Hello

TLS_TIMEOUT = 10.0
LOGIN_TIMEOUT = 10.0
REGISTER_TIMEOUT = 60.0
"""Seconds for the rest: registering waits for authenticators and registrars, which have limits of their own."""
UNREAD_MAX = 65_536


class Arrival:
    """A connection that may become a link.

    `begin` starts with TLS; `secured` is for a channel whose TLS handshake somebody else has done (the HTTPS front).
    The desk decides; `ended` is called once when this is no longer a handshake, whatever came of it.
    """

    def __init__(
        self, plane: Any, hello: Hello, terms: Established, ended: Callable[[Arrival], None], log: Hushed
    ) -> None:
        self._plane = plane
        self._hello = hello
        self._terms = terms
        self._ended = ended
        self._log = log
        self._channel: Any = None
        self._over = False
        self._cancelTimer: Callable[[], None] = lambda: None
        self._handshake: Any = None
        self._owner: HandshakeOwner | None = None
        self.label = ""
        self.connection: SSL.Connection | None = None

    @property
    def greeted(self) -> bool:
        """TLS is done: a session has begun."""
        return self._handshake is not None

    def begin(
        self, channel: Any, connection: SSL.Connection, desk: Callable[[Arrival], Desk], received: bytes = b""
    ) -> None:
        """Shake hands over TLS first; `received` was read from the channel already."""
        self.label = formatAddress(channel.peer)
        self._cancelTimer = timer(self._plane.clock, TLS_TIMEOUT, self._tooLate)
        tls: TLSChannel = self._plane.tls(channel, connection)
        self._channel = tls

        def secured(error: Exception | None) -> None:
            if self._over:
                return
            self._cancelTimer()
            if error is not None:
                said = describe(error) if isinstance(error, SSL.Error) else reasonOf(error)
                self._drop(f"TLS failed: {said}", politely=isinstance(error, SSL.Error))  # the alert must arrive
            elif connection.get_alpn_proto_negotiated() != ALPN:
                self._drop(f"not an agent: it did not ask for {ALPN.decode()}")
            else:
                self.secured(tls, desk)

        tls.handshake(secured, received)

    def secured(self, tls: TLSChannel, desk: Callable[[Arrival], Desk]) -> None:
        """Hear what the agent wants."""
        self._channel = tls
        self._plane.tuneLink(tls, self._terms.timeout)
        self.connection = tls.connection
        self.label = formatAddress(tls.peer)
        self._shake(GatewayHandshake(self._send, self._hello, self._terms, desk(self)))

    def _shake(self, handshake: Any) -> None:
        """Begin the handshake on a channel that is secured."""
        self._handshake = handshake
        self._owner = HandshakeOwner(self._channel, handshake, UNREAD_MAX)
        self._limit(LOGIN_TIMEOUT)
        self._channel.resumeReading()

    @property
    def software(self) -> str:
        """What the agent says it is, fit to print; nothing in version 1."""
        theirs = getattr(self._handshake, "theirs", None)
        return theirs.software if theirs is not None else ""

    # ---- what the desk calls -------------------------------------------------------------------------------------

    def loggedIn(self) -> None:
        """The agent has said who it is: it has more time now, and reading goes on."""
        self._limit(REGISTER_TIMEOUT)

    def answered(self) -> None:
        """An answer was given: there is room to read again."""
        if not self._over and self._channel is not None:
            self._channel.resumeReading()

    def establish(self, handler: LinkHandler, meter: Callable[[Channel], Channel] | None = None) -> Link:
        """The handshake is done; the link still has to be started with `Link.start(arrival.rest())`.

        `meter` puts something between the link and its channel.
        """
        self._finish()
        assert self._owner is not None and self._handshake is not None
        self._owner.release()
        if meter is not None:
            self._channel = meter(self._channel)
        return self._newLink(handler)

    def _newLink(self, handler: LinkHandler) -> Link:
        return Link(
            self._plane,
            self._channel,
            handler,
            opens=True,
            ours=self._hello,
            theirs=self._handshake.theirs,
            terms=self._terms,
            label=self.label,
        )

    def rest(self) -> bytes:
        """What came behind the handshake."""
        assert self._handshake is not None
        rest: bytes = self._handshake.rest()
        return rest

    def refuse(self, error: DiglettError) -> None:
        """The handshake has failed; the refusal, if any, was sent."""
        if self._over:
            return
        self._finish()
        if isinstance(error, ProtocolError):
            self._tell(self._log.warn, "handshake broken", str(error), error.code)
        else:
            self._tell(self._log.info, "refused", str(error), getattr(error, "code", "link-lost"))
        self._channel.close()

    def stop(self, error: Refused) -> None:
        """End it, and tell the agent why."""
        if self._handshake is not None:
            self._handshake.timeOut(error)
        self._drop(str(error))

    # ---- inside --------------------------------------------------------------------------------------------------

    def _tell(self, say: Callable[..., None], what: str, reason: str, code: str) -> None:
        """The one line about an agent that did not get in."""
        say(
            f"{self.label.partition(' ')[0]} {reason}",
            "{peer}: {what}: {reason}",
            event="agent-refused",
            peer=self.label,
            what=what,
            reason=reason,
            code=code,
        )

    def _send(self, data: bytes) -> None:
        if self._owner is not None:
            self._owner.send(data)

    def _limit(self, seconds: float) -> None:
        self._cancelTimer()
        self._cancelTimer = timer(self._plane.clock, seconds, self._tooLate)

    def _tooLate(self) -> None:
        if self._handshake is not None:
            self._handshake.timeOut(Refused("the handshake took too long", code="timeout"))
        self._drop("the handshake took too long")

    def _drop(self, why: str, politely: bool = False) -> None:
        if self._over:
            return
        self._finish()
        self._tell(self._log.info, "dropped", why, "dropped")
        if self._handshake is not None:
            self._handshake.lose(LinkLost(why))
        self._channel.close() if politely or self._owner is not None else self._channel.abort()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._cancelTimer()
            self.connection = None  # it ends with the channel
            self._ended(self)
