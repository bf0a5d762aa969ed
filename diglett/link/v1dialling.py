"""The agent's way to a link of version 1: connect, exchange keys, log in. Nobody is verified."""

from __future__ import annotations

import ipaddress
from typing import Any

from diglett.errors import DiglettError, LinkLost, ProtocolError, Refused, VersionMismatch
from diglett.link.dialling import UNREAD_MAX, Dialling
from diglett.link.greeting import HandshakeOwner
from diglett.link.link import Link, reasonOf
from diglett.link.v1link import UNACKNOWLEDGED, V1Link
from diglett.plane.channel import Target
from diglett.plane.cipher import CipherChannel
from diglett.wire.handshake.agent import Outcome
from diglett.wire.messages import Registered
from diglett.wire.v1.agent import V1AgentHandshake
from diglett.wire.v1.cipher import KeyPair
from diglett.wire.v1.words import SILENT_HELLO


class V1Dialling(Dialling):
    """`Dialling` for version 1; it takes the one registration that there can be."""

    def _connected(self, channel: Any) -> None:
        if self._over:
            channel.abort()
            return
        self._plane.tuneLink(channel, UNACKNOWLEDGED)
        self._channel = cipher = CipherChannel(channel, KeyPair(), True)
        cipher.handshake(self._agreed)

    def _agreed(self, error: Exception | None) -> None:
        if self._over:
            return
        if error is not None:
            self._fail(self._meaning(error))
            return
        handshake = V1AgentHandshake(
            self._send, self._login.token, self._registrations[0].name, self._accepted, self._fail
        )
        self._shake(handshake, HandshakeOwner(self._channel, handshake, UNREAD_MAX, heard=self._heard))

    def _meaning(self, error: Exception) -> DiglettError:
        if isinstance(error, VersionMismatch):
            return Refused(f"{self._target}: {error}; this is version 1", code="version", permanent=True)
        if isinstance(error, ProtocolError):
            return LinkLost(f"{self._target} does not speak version 1: {error}")
        return LinkLost(f"{self._target} does not answer in version 1 (does it allow that?): {reasonOf(error)}")

    def _accepted(self) -> None:
        name = self._registrations[0].name
        registered = Registered(name, urls=(likelyPlace(name, self._target),))
        self._established(Outcome(SILENT_HELLO, [registered], None))

    def _newLink(self, outcome: Outcome) -> Link:
        return V1Link(self._plane, self._channel, self._handler, opens=False, label=str(self._target))


def likelyPlace(name: str, gateway: Target) -> str:
    """Where the name can be reached, as far as an agent knows that was not told."""
    try:
        ipaddress.ip_address(gateway.host)
    except ValueError:
        return f"{name}.{gateway.host}"
    return f"{name} at {gateway}"
