"""The conformance suite over every kind of channel there is, each plain and with TLS on top."""

from __future__ import annotations

import selectors
from typing import Any

from twisted.trial.unittest import TestCase

from diglett.plane.fast import FastPlane
from diglett.plane.portable import PortablePlane
from diglett.plane.readiness import SelectorReadiness
from tests.plane.conformance import ChannelConformance
from tests.plane.rigs import MemoryRig, Rig, SocketRig, TLSRig


def selectorPlane() -> tuple[FastPlane, Any]:
    """A fast plane on `selectors`, and its reactor."""
    from twisted.internet import reactor

    return FastPlane(reactor, SelectorReadiness(selectors.EpollSelector())), reactor


class MemoryTests(ChannelConformance, TestCase):
    """Channels in memory: what tests of everything above are built on."""

    def makeRig(self) -> Rig:
        return MemoryRig()


class FastTCPTests(ChannelConformance, TestCase):
    """The fast driver on loopback TCP."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return SocketRig(FastPlane(reactor), reactor)


class FastUnixTests(ChannelConformance, TestCase):
    """The fast driver on Unix sockets."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return SocketRig(FastPlane(reactor), reactor, "unix")


class SelectorTCPTests(ChannelConformance, TestCase):
    """The fast driver on `selectors`, as it is on macOS."""

    def makeRig(self) -> Rig:
        return SocketRig(*selectorPlane())


class PortableTCPTests(ChannelConformance, TestCase):
    """The portable driver on loopback TCP."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return SocketRig(PortablePlane(reactor), reactor)


class PortableUnixTests(ChannelConformance, TestCase):
    """The portable driver on Unix sockets."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return SocketRig(PortablePlane(reactor), reactor, "unix")


class TLSMemoryTests(ChannelConformance, TestCase):
    """TLS over channels in memory."""

    def makeRig(self) -> Rig:
        return TLSRig(MemoryRig())


class TLSFastTCPTests(ChannelConformance, TestCase):
    """TLS over the fast driver on loopback TCP."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return TLSRig(SocketRig(FastPlane(reactor), reactor))


class TLSFastUnixTests(ChannelConformance, TestCase):
    """TLS over the fast driver on Unix sockets."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return TLSRig(SocketRig(FastPlane(reactor), reactor, "unix"))


class TLSSelectorTCPTests(ChannelConformance, TestCase):
    """TLS over the fast driver on `selectors`."""

    def makeRig(self) -> Rig:
        return TLSRig(SocketRig(*selectorPlane()))


class TLSPortableTCPTests(ChannelConformance, TestCase):
    """TLS over the portable driver on loopback TCP."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return TLSRig(SocketRig(PortablePlane(reactor), reactor))


class TLSPortableUnixTests(ChannelConformance, TestCase):
    """TLS over the portable driver on Unix sockets."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return TLSRig(SocketRig(PortablePlane(reactor), reactor, "unix"))
