"""The conformance suite over every kind of channel there is, each plain and with TLS on top."""

from __future__ import annotations


from twisted.trial.unittest import TestCase

from diglett.plane.fast import FastPlane
from tests.plane.conformance import ChannelConformance
from tests.plane.rigs import MemoryRig, Rig, SocketRig, TLSRig


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
