"""Version 1's encryption as a channel: the conformance suite, and how two sides come to their keys."""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from diglett.errors import ProtocolError, VersionMismatch
from diglett.plane.cipher import CipherChannel
from diglett.plane.fast import FastPlane
from diglett.plane.portable import PortablePlane
from diglett.testing import MemoryPlane
from diglett.wire.v1.cipher import KeyPair, KeyStream
from diglett.wire.v1.exchange import PREFACE_SIZE, KeyExchange
from tests.plane.conformance import ChannelConformance
from tests.plane.recorder import Recorder
from tests.plane.rigs import MemoryRig, Rig, SocketRig, TLSRig


class CipherRig(TLSRig):
    """Version 1 on top of what another rig has; it ends as the channel below does."""

    def __init__(self, below: Rig) -> None:
        super().__init__(below)
        self.resets = below.resets

    async def pair(self) -> tuple[Any, Any]:
        here, there = await self.below.pair()
        agent, gateway = CipherChannel(here, KeyPair(), True), CipherChannel(there, KeyPair(), False)
        answers: list[Exception | None] = []
        agent.handshake(answers.append)
        gateway.handshake(answers.append)
        await self.until(lambda: len(answers) == 2, "two ends of the handshake")
        if answers != [None, None]:
            raise AssertionError(f"the handshake failed: {answers}")
        return agent, gateway


class CipherMemoryTests(ChannelConformance, TestCase):
    """Over channels in memory."""

    def makeRig(self) -> Rig:
        return CipherRig(MemoryRig())


class CipherFastTests(ChannelConformance, TestCase):
    """Over the fast driver."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return CipherRig(SocketRig(FastPlane(reactor), reactor))


class CipherPortableTests(ChannelConformance, TestCase):
    """Over the portable driver."""

    def makeRig(self) -> Rig:
        from twisted.internet import reactor

        return CipherRig(SocketRig(PortablePlane(reactor), reactor))


class ExchangeTests(SynchronousTestCase):
    """The exchange of keys, with a stranger at the other end."""

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        here, there = self.plane.pair()
        self.below = here
        self.stranger = Recorder(there)
        self.pair = KeyPair()
        self.answers: list[Exception | None] = []
        there.resumeReading()

    def begin(self, first: bool, received: bytes = b"") -> CipherChannel:
        """Our side begins."""
        channel = CipherChannel(self.below, self.pair, first)
        channel.handshake(self.answers.append, received)
        self.plane.pump()
        return channel

    def says(self, data: bytes) -> None:
        """The stranger says this."""
        self.stranger.write(data)
        self.plane.pump()

    def preface(self, version: int = 1) -> bytes:
        return b"digl" + bytes([version]) + self.pair.public

    def test_agentSpeaksFirst(self) -> None:
        """The agent introduces itself unasked; the gateway when it has heard a good preface, and not before."""
        self.begin(True)
        self.assertEqual((bytes(self.stranger.received), self.answers), (self.preface(), []))
        self.setUp()
        self.begin(False)
        self.says(self.preface()[:-1])
        self.assertEqual((bytes(self.stranger.received), self.answers), (b"", []))
        self.says(self.preface()[-1:])
        self.assertEqual((bytes(self.stranger.received), self.answers), (self.preface(), [None]))

    def test_pieces(self) -> None:
        """The preface may come byte by byte, the first one read by somebody else."""
        self.begin(False, self.preface()[:1])
        for byte in self.preface()[1:]:
            self.assertEqual(self.answers, [])
            self.says(bytes([byte]))
        self.assertEqual(self.answers, [None])

    def test_notBeyond(self) -> None:
        """What comes in one piece with the preface is not lost, and is read only when it is wanted."""
        channel = self.begin(False)
        noted = Recorder(channel)
        exchange = KeyExchange(KeyPair())
        material = exchange.receive(self.preface())
        assert material is not None
        out = memoryview(bytearray(5))
        KeyStream(material).apply(b"hello", out)
        self.says(exchange.preface + out.tobytes())
        self.assertEqual((self.answers, noted.calls), ([None], 0))
        channel.resumeReading()
        self.plane.pump()
        self.assertEqual(noted.received, b"hello")

    def test_strangers(self) -> None:
        """Who does not speak version 1, or has no key, is not answered, as by the original."""
        for data, error in (
            (b"digk", ProtocolError),
            (b"\x16\x03\x01", ProtocolError),
            (self.preface(2)[:5], VersionMismatch),
            (b"digl\x01" + bytes(33), ProtocolError),
            (b"digl\x01\x02" + b"\xff" * 32, ProtocolError),
            (b"digl\x01\x04" + self.pair.public[1:], ProtocolError),
        ):
            self.setUp()
            self.begin(False)
            self.says(data)
            self.assertEqual([type(answer) for answer in self.answers], [error], data)
            self.assertEqual(self.stranger.received, b"")

    def test_leaves(self) -> None:
        """A peer that closes or resets in the middle is an error, told once."""
        for leave in ("close", "abort"):
            self.setUp()
            self.begin(False)
            self.says(b"digl")
            getattr(self.stranger, leave)()
            self.plane.pump()
            self.assertEqual([type(answer) for answer in self.answers], [ConnectionResetError])

    def test_abort(self) -> None:
        """Who gives up in the middle hears nothing more."""
        channel = self.begin(False)
        channel.abort()
        self.plane.pump()
        self.assertEqual(self.answers, [])
        self.assertEqual(channel.write((b"x",), 1), 0)

    def test_acknowledges(self) -> None:
        """The kernel is told to acknowledge at once: at the start, and again after each read."""
        told: list[tuple[int, int, int]] = []
        self.below.option = lambda *option: told.append(option)  # type: ignore[method-assign]
        option = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        channel = self.begin(False)
        self.says(self.preface())
        self.assertEqual(told, [option] * 2)
        Recorder(channel)
        channel.resumeReading()
        for count in (3, 4):
            self.says(b"header")
            self.assertEqual(told, [option] * count)

    if not hasattr(socket, "TCP_QUICKACK"):
        test_acknowledges.skip = "this system acknowledges as it likes"  # type: ignore[attr-defined]

    def test_sizes(self) -> None:
        """The preface has 38 bytes, and nothing that follows grows."""
        self.assertEqual(len(self.preface()), PREFACE_SIZE)
        channel = self.begin(False)
        self.says(self.preface())
        Recorder(channel).write(bytes(200_000))
        self.plane.pump()
        self.assertEqual(len(self.stranger.received), PREFACE_SIZE + 200_000)
