"""A name's own listening port: whatever connects is forwarded as opaque bytes."""

from __future__ import annotations

from twisted.logger import Logger

from diglett.errors import Refused
from diglett.gateway.ingress.contracts import Openable
from diglett.link.splice import Splice
from diglett.plane.channel import Channel, formatAddress
from diglett.wire.frames import Way

log = Logger()


class PortIngress:
    """Visitors of one name's port."""

    def __init__(self, name: Openable, host: str, port: int) -> None:
        self._name = name
        self._front = f"{host} {port}" if host else ""

    def accepted(self, channel: Channel) -> None:
        """A visitor; the agent is told at once, so that a service which speaks first can."""
        name = self._name
        name.wasReached(channel)
        splice = Splice(channel)
        try:
            splice.mux, splice.stream = name.open(Way.PORT, formatAddress(channel.peer), self._front, splice)
        except Refused as error:
            log.debug("{name}: visitor turned away: {error}", name=name.fqdn, error=error)
            channel.abort()
            return
        splice.start()
