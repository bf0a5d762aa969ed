"""Agents that dial a gateway, and all that can go wrong as they see it."""

from __future__ import annotations

import socket
from typing import Any

import trustme
from twisted.internet.defer import CancelledError

from diglett.errors import GatewayNotTrusted, LinkLost, Refused
from diglett.link.dialling import ANSWER_TIMEOUT, CONNECT_TIMEOUT, Dialling
from diglett.plane.channel import Target
from diglett.testing import clientTrust, memoryCredentials, serverContexts
from diglett.trust.client import GatewayTrust
from diglett.trust.server import ServerContexts
from diglett.wire.codec import encodePreface
from diglett.wire.frames import ALPN, Kind, encodeFrame
from diglett.wire.messages import Established, Registered
from tests.link.desks import HELLO, LOGIN, REGISTER, TARGET, HandshakeTestCase
from tests.plane.recorder import Recorder


class GoodTests(HandshakeTestCase):
    """It works."""

    def test_established(self) -> None:
        """Both sides get a link with what was agreed on, and it carries streams."""
        self.dial()
        self.plane.pump()
        link, outcome = self.results[0]
        self.assertEqual(outcome.registered, [Registered("example", ("https://example.example",))])
        self.assertEqual((self.desk.logins, outcome.terms), ([LOGIN], Established()))
        self.assertEqual(len(self.ended), 1)
        self.assertIsNotNone(self.desk.link)
        link.close()
        self.plane.pump()
        self.assertEqual((len(self.desk.handler.errors), len(self.agentHandler.errors)), (1, 1))
        self.assertClean()

    def test_dribbled(self) -> None:
        """It also works when everything comes byte by byte."""
        self.plane.listeners.clear()

        def accepted(channel: Any) -> None:
            channel.chunk = 1
            channel._other.chunk = 1
            self.accepted(channel)

        self.plane.listen("tcp:20000", accepted)
        self.dial()
        self.plane.pump()
        self.assertIsInstance(self.results[0], tuple)

    def test_slowAnswers(self) -> None:
        """Plugins may take their time, within limits."""
        self.slow = True
        self.dial()
        self.plane.advance(8)
        self.desk.answer("somebody")
        self.plane.advance(20)
        self.desk.answer(Registered("example"))
        self.plane.pump()
        self.assertIsInstance(self.results[0], tuple)

    def test_tuned(self) -> None:
        """Both ends of a link have the socket options of one, however the agent came in."""
        self.dial()
        self.plane.pump()
        (channel,) = self.channels
        for end in (channel, channel._other):
            self.assertEqual(end.options[socket.SOL_SOCKET, socket.SO_KEEPALIVE], 1)

    def test_closedAtOnce(self) -> None:
        """Whoever gets the link may close it at once."""
        dialling = Dialling(self.plane, TARGET, clientTrust(), self.agentHandler, HELLO, LOGIN, [REGISTER])
        dialling.done.addCallback(lambda result: result[0].close())
        self.plane.pump()
        self.assertEqual((len(self.agentHandler.errors), len(self.desk.handler.errors)), (1, 1))
        self.assertClean()

    def test_lateCancel(self) -> None:
        """Cancelling what is done already changes nothing."""
        dialling = self.dial()
        self.plane.pump()
        dialling.done.cancel()
        self.plane.pump()
        self.assertEqual(self.agentHandler.errors, [])


class AgentTests(HandshakeTestCase):
    """What can go wrong as the agent sees it."""

    def test_nobodyThere(self) -> None:
        """No gateway: the reason has the address."""
        self.dial(target=Target("gateway.example", 9))
        self.plane.pump()
        self.assertEqual(str(self.failure()), "cannot reach gateway.example:9: connection refused")
        self.assertClean()

    def test_noAnswer(self) -> None:
        """A gateway that does not answer at all is given up."""
        self.plane.silent.add(TARGET)
        self.dial()
        self.plane.advance(CONNECT_TIMEOUT - 0.5)
        self.assertEqual(self.results, [])
        self.plane.advance(0.5)
        self.assertIn("cannot reach", str(self.failure()))
        self.assertClean()

    def test_notTrusted(self) -> None:
        """A gateway with another key is refused for good, and gets no token."""
        self.dial(GatewayTrust("localhost", pins=["sha256:" + "A" * 43 + "="]))
        self.plane.advance(1)
        self.assertIsInstance(self.failure(), GatewayNotTrusted)
        self.assertEqual([login for desk in self.desks for login in desk.logins], [])
        self.assertClean()

    def test_noTrust(self) -> None:
        """When the files that say whom to trust cannot be used now, the attempt fails like any other."""
        self.dial(GatewayTrust("localhost", ca="missing.pem"))
        self.plane.pump()
        self.assertIn("missing.pem", str(self.failure()))
        self.assertClean()

    def test_clientCertificate(self) -> None:
        """A gateway that wants a certificate says so before it hangs up."""
        authorities = self.mktemp()
        trustme.CA().cert_pem.write_to_path(authorities)
        self.contexts = ServerContexts(
            [memoryCredentials()], alpn=[ALPN], clientAuthorities=authorities, clientsRequired=True
        )
        self.dial()
        self.plane.advance(1)
        error = self.failure()
        assert isinstance(error, Refused)
        self.assertEqual(error.code, "client-certificate")
        self.assertClean()

    def test_noGateway(self) -> None:
        """A server that speaks TLS and something else."""
        self.contexts = ServerContexts([memoryCredentials()], alpn=[b"http/1.1"])
        self.dial()
        self.plane.advance(1)
        self.assertIn("is no diglett gateway", str(self.failure()))
        self.assertClean()

    def test_noTLS(self) -> None:
        """A server that does not speak TLS."""
        self.plane.listeners.clear()
        greeting = b"220 mail.example ESMTP\r\n"
        self.plane.listen("tcp:20000", lambda channel: Recorder(channel).write(greeting))
        self.dial()
        self.plane.pump()
        self.assertIn("TLS with gateway.example:20000 failed", str(self.failure()))
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def raw(self, answers: bytes, end: str = "") -> None:
        """Dial a gateway that does TLS as it should and then says this."""
        self.plane.listeners.clear()

        def accepted(channel: Any) -> None:
            tls = self.plane.tls(channel, serverContexts().connection())

            def secured(error: Exception | None) -> None:
                if error is None:
                    self.rawGateway = recorder = Recorder(tls)
                    tls.resumeReading()
                    recorder.write(answers)
                    if end:
                        getattr(recorder, end)()

            tls.handshake(secured)

        self.plane.listen("tcp:20000", accepted)
        self.dial()
        self.plane.pump()

    PREFACE = encodePreface(HELLO.encode())

    def test_breaksProtocol(self) -> None:
        """A gateway that breaks the protocol, at each step."""
        ok = encodeFrame(Kind.OK, 0, b"{}")
        for answers in (
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"digl\x07" + bytes(40),
            self.PREFACE + encodeFrame(Kind.PING, 0, b"12345678"),
            self.PREFACE + ok + encodeFrame(Kind.OK, 7, b"{}"),
            self.PREFACE + ok + encodeFrame(Kind.OK, 1, b"not json"),
            self.PREFACE + b"\0" * 5 + b"\xff\xff",
        ):
            self.setUp()
            self.raw(answers)
            self.failure()
            self.assertEqual(self.rawGateway.events, ["broken"], answers)
            self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """A refusal comes through with its code, at each step."""
        ok = encodeFrame(Kind.OK, 0, b"{}")
        refusal = b'{"code":"name-taken","message":"it is taken","permanent":true}'
        for before in (b"", ok):
            self.setUp()
            self.raw(self.PREFACE + before + encodeFrame(Kind.ERROR, 0, refusal), "close")
            error = self.failure()
            assert isinstance(error, Refused)
            self.assertEqual((str(error), error.code, error.permanent), ("it is taken", "name-taken", True))
            self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def test_closed(self) -> None:
        """A gateway that leaves in the middle, in order or not."""
        for end in ("close", "abort"):
            self.setUp()
            self.raw(self.PREFACE, end)
            self.assertIsInstance(self.failure(), LinkLost)
            self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def test_stalls(self) -> None:
        """A gateway that says nothing more is given up; each answer gives it time for the next."""
        self.raw(self.PREFACE)
        self.plane.advance(ANSWER_TIMEOUT - 1)
        self.assertEqual(self.results, [])
        self.plane.advance(1)
        self.assertIn("did not finish the handshake in time", str(self.failure()))
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """An attempt can be cancelled at each step; the gateway is told by the reset."""
        for turns in range(12):
            self.setUp()
            self.slow = True
            dialling = self.dial()
            for _ in range(turns):
                self.plane.turn()
            self.assertEqual(self.results, [])
            dialling.done.cancel()
            self.plane.pump()
            (failure,) = self.results
            self.assertIsInstance(failure.value, CancelledError)
            self.assertClean()
            for desk in self.desks:
                self.assertEqual(len(desk.errors), 1)
                self.assertEqual([each.cancelled for each in desk.questions], [1] * len(desk.questions))
