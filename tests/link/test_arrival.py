"""Connections that may become links, and all that can go wrong as the gateway sees it."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from diglett.errors import Refused
from diglett.link.arrival import LOGIN_TIMEOUT, REGISTER_TIMEOUT, TLS_TIMEOUT, UNREAD_MAX, Arrival
from diglett.testing import clientTrust, memoryCredentials
from diglett.trust.client import GatewayTrust
from diglett.wire.codec import encodePreface
from diglett.wire.frames import ALPN, Kind, encodeFrame
from tests.link.desks import HELLO, LOGIN, REGISTER, TARGET, HandshakeTestCase
from tests.plane.recorder import Recorder


class GatewayTests(HandshakeTestCase):
    """What can go wrong as the gateway sees it."""

    def connect(self) -> Recorder:
        """A connection on which nothing was said."""
        done = self.plane.connect(TARGET, 5)
        self.plane.pump()
        recorder = Recorder(self.successResultOf(done))
        recorder.channel.resumeReading()
        return recorder

    def secure(self) -> Recorder:
        """A connection with TLS done."""
        below = self.successResultOf(self.connecting())
        tls = self.plane.tls(below, clientTrust().connection())
        answers: list[Any] = []
        tls.handshake(answers.append)
        self.plane.pump()
        self.assertEqual(answers, [None])
        recorder = Recorder(tls)
        tls.resumeReading()
        return recorder

    def connecting(self) -> Any:
        done = self.plane.connect(TARGET, 5)
        self.plane.pump()
        return done

    PREFACE = encodePreface(HELLO.encode())
    LOGIN = encodeFrame(Kind.LOGIN, 0, LOGIN.encode())
    REGISTER = encodeFrame(Kind.REGISTER, 1, REGISTER.encode())
    FINISH = encodeFrame(Kind.FINISH_REGISTER, 0)

    def test_silentConnection(self) -> None:
        """Whoever connects and says nothing is dropped after a while."""
        peer = self.connect()
        self.plane.advance(TLS_TIMEOUT - 0.5)
        self.assertEqual(peer.events, [])
        self.plane.advance(0.5)
        self.assertEqual(peer.events, ["broken"])
        self.assertClean()

    def test_slowTLS(self) -> None:
        """Whoever says a byte every second as well."""
        peer = self.connect()
        hello = clientTrust().connection()
        try:
            hello.do_handshake()
        except SSL.WantReadError:
            pass
        data = hello.bio_read(10_000)
        for index in range(int(TLS_TIMEOUT) + 1):
            peer.write(data[index : index + 1])
            self.plane.advance(1)
        self.assertEqual(peer.events, ["broken"])
        self.assertClean()

    def test_noTLS(self) -> None:
        """Whoever speaks no TLS is dropped at once, and hears of it in TLS."""
        peer = self.connect()
        peer.write(b"GET / HTTP/1.1\r\n\r\n")
        self.plane.pump()
        self.assertEqual(len(peer.events), 1)
        self.assertClean()

    def test_otherProtocol(self) -> None:
        """A client that does not ask for our protocol is no agent."""
        self.dial(GatewayTrust("localhost", pins=[memoryCredentials().pin], alpn=[b"http/1.1"]))
        self.plane.pump()
        self.failure()
        self.assertEqual(self.desks, [])
        self.assertClean()

    def test_slowLogin(self) -> None:
        """Whoever does not log in is told, and dropped."""
        peer = self.secure()
        peer.write(self.PREFACE)
        self.plane.advance(LOGIN_TIMEOUT)
        self.assertIn(b"took too long", bytes(peer.received))
        self.assertEqual(peer.events, ["end"])
        self.assertEqual(len(self.desk.errors), 1)
        self.assertClean()

    def test_slowLoginBytes(self) -> None:
        """Bytes now and then buy no time."""
        peer = self.secure()
        for byte in (self.PREFACE + self.LOGIN)[:40]:
            peer.write(bytes([byte]))
            self.plane.advance(0.5)
        self.assertEqual(peer.events, ["end"])
        self.assertClean()

    def test_slowRegistration(self) -> None:
        """Whoever has logged in has a minute; a plugin that is still busy then is cancelled."""
        self.slow = True
        peer = self.secure()
        peer.write(self.PREFACE + self.LOGIN + self.REGISTER + self.FINISH)
        self.plane.advance(LOGIN_TIMEOUT + 1)
        self.assertEqual(peer.events, [])
        self.desk.answer("somebody")
        self.plane.advance(REGISTER_TIMEOUT)
        self.assertEqual(peer.events, ["end"])
        self.assertEqual([each.cancelled for each in self.desk.questions], [0, 1])
        self.assertClean()

    def test_leaves(self) -> None:
        """An agent that leaves at any step leaves nothing, and what it waits for is cancelled."""
        flight = self.PREFACE + self.LOGIN + self.REGISTER + self.FINISH
        for end in ("close", "abort"):
            for cut in (0, 3, len(self.PREFACE), len(self.PREFACE) + 9, len(flight) - 7):
                self.setUp()
                self.slow = True
                peer = self.secure()
                peer.write(flight[:cut]) if cut else None
                self.plane.pump()
                getattr(peer, end)()
                self.plane.pump()
                self.assertEqual(len(self.desk.errors), 1)
                self.assertEqual([each.cancelled for each in self.desk.questions], [1] * len(self.desk.questions))
                self.assertClean()

    def test_garbage(self) -> None:
        """An agent that breaks the protocol is told how, at each step, and dropped."""
        login = self.PREFACE + self.LOGIN
        for flight in (
            b"GET / HTTP/1.1\r\n\r\n",
            self.PREFACE + self.REGISTER,
            self.PREFACE + encodeFrame(Kind.LOGIN, 0, b"[]"),
            login + self.LOGIN,
            login + encodeFrame(Kind.REGISTER, 5, REGISTER.encode()),
            login + self.FINISH,
            login + b"\x02\0\0\0\1\xff\xff",
            b"digl\x02\xff\xff" + bytes(70_000),
        ):
            self.setUp()
            peer = self.secure()
            peer.write(flight)
            self.plane.pump()
            self.assertIn(b'"permanent"', bytes(peer.received), flight[:40])
            self.assertEqual(peer.events, ["end"])
            self.assertEqual(len(self.desk.errors), 1)
            self.assertClean()

    def test_floods(self) -> None:
        """An agent that goes on sending while it waits for an answer is not read for ever."""
        self.slow = True
        peer = self.secure()
        peer.write(self.PREFACE + self.LOGIN)
        self.plane.pump()
        peer.write(b"\4\0\0\0\1\xff\xff" * 300_000)
        self.plane.pump()
        self.assertLess(self.desk.arrival._handshake.buffered, 2 * UNREAD_MAX)
        self.assertGreater(peer.channel.queued, 1_000_000)
        self.desk.answer("somebody")
        self.plane.pump()
        self.assertEqual(len(self.desk.errors), 1)
        self.assertClean()

    def test_dataBehind(self) -> None:
        """What an agent sends right behind its last question is the beginning of the link."""
        peer = self.secure()
        ping = encodeFrame(Kind.PING, 0, b"12345678")
        peer.write(self.PREFACE + self.LOGIN + self.REGISTER + self.FINISH + ping)
        self.plane.pump()
        self.assertIn(encodeFrame(Kind.PONG, 0, b"12345678"), bytes(peer.received))
        self.assertEqual(len(self.ended), 1)

    def test_stopped(self) -> None:
        """The gateway may end a handshake at each step, and says why as soon as that can be heard."""
        for said in (b"", self.PREFACE, self.PREFACE + self.LOGIN):
            self.setUp()
            self.slow = True
            peer = self.secure()
            peer.write(said) if said else None
            self.plane.pump()
            self.desk.arrival.stop(Refused("the gateway is stopping", code="draining"))
            self.plane.pump()
            self.assertIn(b"the gateway is stopping", bytes(peer.received))
            self.assertEqual((peer.events, len(self.desk.errors)), (["end"], 1))
            self.assertClean()

    def test_stoppedEarly(self) -> None:
        """Also before TLS is done."""
        peer = self.connect()
        arrivals: list[Arrival] = []
        done = self.plane.connect(TARGET, 5)
        original = Arrival.begin
        self.patch(Arrival, "begin", lambda arrival, *rest: (arrivals.append(arrival), original(arrival, *rest)))
        self.plane.pump()
        other = Recorder(self.successResultOf(done))
        other.channel.resumeReading()
        arrivals[0].stop(Refused("the gateway is stopping", code="draining"))
        self.plane.pump()
        self.assertEqual((other.events, peer.events), (["broken"], []))

    def test_badToken(self) -> None:
        """A refusal reaches the agent whole."""
        self.slow = True
        self.dial()
        self.plane.pump()
        self.desk.answer(Refused("this token is not known", code="token", permanent=True))
        self.plane.pump()
        error = self.failure()
        assert isinstance(error, Refused)
        self.assertEqual((error.code, error.permanent), ("token", True))
        self.assertClean()

    def test_alpn(self) -> None:
        """Both sides agree on our protocol."""
        peer = self.secure()
        self.assertEqual(peer.channel.connection.get_alpn_proto_negotiated(), ALPN)
