"""A name's own listening port: whatever connects is forwarded as opaque bytes."""

from __future__ import annotations

from twisted.logger import Logger

from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.ingress.contracts import Openable
from diglett.gateway.ingress.passage import Passage
from diglett.plane.channel import Channel, formatAddress
from diglett.wire.frames import Way

log = Logger()


class PortIngress:
    """Visitors of one name's port."""

    def __init__(self, name: Openable, host: str, port: int, crowd: Crowd) -> None:
        self._name = name
        self._front = f"{host} {port}" if host else ""
        self._crowd = crowd

    def accepted(self, channel: Channel) -> None:
        """A visitor; the agent is told at once, so that a service which speaks first can."""
        name = self._name
        name.wasReached(channel)
        if self._crowd.admit(channel):
            letThrough(name, channel, Way.PORT, self._front, self._crowd)


def letThrough(name: Openable, channel: Channel, way: Way, front: str, crowd: Crowd, received: bytes = b"") -> None:
    """Join the visitor, whom the crowd has admitted, with the name's agent; reset it when there is none."""
    passage = Passage(channel, crowd.leave, name.kind == "http")
    try:
        passage.mux, passage.stream = name.open(way, formatAddress(channel.peer), front, passage)
    except Refused as error:
        log.debug(
            "{name}: visitor turned away: {reason}", event="visitor-turned-away", name=name.fqdn, reason=str(error)
        )
        crowd.leave()
        channel.abort()
        return
    passage.begin(received)
