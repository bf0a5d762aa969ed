"""From a connection to a link: agents that dial and gateways that accept, in memory, with all that can go wrong."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import DiglettError, GatewayNotTrusted, LinkLost, Refused
from diglett.link.arrival import LOGIN_TIMEOUT, REGISTER_TIMEOUT, TLS_TIMEOUT, UNREAD_MAX, Arrival
from diglett.link.dialling import CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, Dialling
from diglett.link.hushed import Hushed
from diglett.link.link import Link
from diglett.plane.channel import Target
from diglett.testing import MemoryPlane, NotingHandler, clientTrust, memoryCredentials, serverContexts
from diglett.trust.client import GatewayTrust
from diglett.trust.server import ServerContexts
from diglett.wire.codec import encodePreface
from diglett.wire.frames import ALPN, Kind, encodeFrame
from diglett.wire.messages import Established, Hello, Login, Register, Registered
from tests.plane.recorder import Recorder

TARGET = Target("gateway.example", 20_000)
HELLO = Hello(software="test", streams=10)
LOGIN = Login(token="secret", agent="a" * 16)
REGISTER = Register(name="example")


class Question:
    """One that was put to the desk; whether it was cancelled."""

    def __init__(self, granted: Callable[[Any], None], denied: Callable[[Refused], None]) -> None:
        self.granted = granted
        self.denied = denied
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


class NotingDesk:
    """Answers at once unless told to be `slow`; the link goes to `handler`."""

    def __init__(self, arrival: Arrival, slow: bool) -> None:
        self.arrival = arrival
        self.slow = slow
        self.handler = NotingHandler()
        self.link: Link | None = None
        self.logins: list[Login] = []
        self.questions: list[Question] = []
        self.errors: list[DiglettError] = []

    def _ask(self, granted: Callable[[Any], None], denied: Callable[[Refused], None], answer: Any) -> Question:
        question = Question(granted, denied)
        self.questions.append(question)
        if not self.slow:
            self.answer(answer)
        return question

    def answer(self, answer: Any) -> None:
        """Answer the last question."""
        question = self.questions[-1]
        question.denied(answer) if isinstance(answer, Refused) else question.granted(answer)
        self.arrival.answered()

    def authenticate(self, login: Login, granted: Any, denied: Any) -> Question:
        self.logins.append(login)
        self.arrival.loggedIn()
        return self._ask(granted, denied, "somebody")

    def claim(self, number: int, register: Register, granted: Any, denied: Any) -> Question:
        return self._ask(granted, denied, Registered(register.name, (f"https://{register.name}.example",)))

    def established(self) -> None:
        self.link = self.arrival.establish(self.handler)
        self.link.start(self.arrival.rest())

    def over(self, error: DiglettError) -> None:
        self.errors.append(error)
        self.arrival.refuse(error)


class HandshakeTestCase(SynchronousTestCase):
    """A gateway that listens in memory, and agents that dial it."""

    slow = False

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        self.contexts = serverContexts()
        self.desks: list[NotingDesk] = []
        self.channels: list[Any] = []
        self.ended: list[Arrival] = []
        self.agentHandler = NotingHandler()
        self.results: list[Any] = []
        self.plane.listen("tcp:20000", self.accepted)

    def accepted(self, channel: Any) -> None:
        self.channels.append(channel)
        log = Hushed(Logger(), self.plane.clock.seconds)
        arrival = Arrival(self.plane, HELLO, Established(), self.ended.append, log)
        arrival.begin(channel, self.contexts.connection(), self.newDesk)

    def newDesk(self, arrival: Arrival) -> NotingDesk:
        desk = NotingDesk(arrival, self.slow)
        self.desks.append(desk)
        return desk

    @property
    def desk(self) -> NotingDesk:
        return self.desks[-1]

    def dial(self, trust: Any = None, target: Target = TARGET) -> Dialling:
        dialling = Dialling(self.plane, target, trust or clientTrust(), self.agentHandler, HELLO, LOGIN, [REGISTER])
        dialling.done.addBoth(self.results.append)
        return dialling

    def failure(self) -> DiglettError:
        """How the only attempt has failed."""
        (failure,) = self.results
        error: DiglettError = failure.value
        self.assertIsInstance(error, DiglettError)
        return error

    def assertClean(self, lingering: bool = False) -> None:
        """No timer, no open channel; each arrival has ended once."""
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])
        self.assertEqual([each.closed for each in self.channels], [True] * len(self.channels))
        self.assertEqual(len(self.ended), len(set(self.ended)))
        self.assertEqual(len(self.ended), len(self.channels))


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
        """A gateway that says no more is given up."""
        self.raw(self.PREFACE)
        self.plane.advance(CONNECT_TIMEOUT + HANDSHAKE_TIMEOUT - 1)
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
