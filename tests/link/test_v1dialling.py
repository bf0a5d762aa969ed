"""An agent's attempts at a link of version 1, with whoever may be at the other end."""

from __future__ import annotations

import socket
import sys
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import LinkLost, Refused
from diglett.link import v1dialling
from diglett.link.v1dialling import V1Dialling, likelyPlace
from diglett.link.v1link import UNACKNOWLEDGED
from diglett.plane.channel import Target
from diglett.testing import MemoryPlane, NotingHandler
from diglett.wire.messages import Hello, Login, Register
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import listen
from tests.wire.v1.recorded import AGENT, GATEWAY, agentPair

PORT = 20_000


class V1DiallingTests(SynchronousTestCase):
    """`V1Dialling`."""

    def setUp(self) -> None:
        self.patch(v1dialling, "KeyPair", agentPair)
        self.plane = MemoryPlane()
        self.gateways: list[Visitor] = []
        listen(self.plane, PORT, lambda channel: self.gateways.append(Visitor(channel)))
        self.handler = NotingHandler()

    def tearDown(self) -> None:
        """No attempt leaves a timer."""
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def dial(self, host: str = "gateway.com", port: int = PORT) -> Any:
        """An attempt, with the recorded token and name."""
        nobody: Any = None
        dialling = V1Dialling(
            self.plane, Target(host, port), nobody, self.handler, Hello(), Login("s3cret", ""), [Register("example")]
        )
        self.plane.pump()
        return dialling.done

    def says(self, data: bytes) -> None:
        """The gateway says this."""
        self.gateways[-1].send(data)
        self.plane.pump()

    def failure(self, done: Any) -> Any:
        """How the attempt failed; the connection, if there is one, is gone."""
        error = self.failureResultOf(done).value
        self.plane.pump()
        self.assertTrue(all(each.closed for each in self.gateways))
        return error

    def test_recorded(self) -> None:
        """With the recorded gateway the agent says the recorded bytes, and carries the recorded stream."""
        done = self.dial()
        frames = [frame.encrypted for frame in AGENT.frames]
        gateway = self.gateways[0]
        self.assertEqual(bytes(gateway.received), AGENT.preface)
        for heard, expected in enumerate((AGENT.preface + frames[0], b"".join((AGENT.preface, *frames[:2])))):
            self.says(GATEWAY.preface if not heard else GATEWAY.frames[0].encrypted)
            self.assertEqual(bytes(gateway.received), expected)
        self.assertNoResult(done)
        self.says(GATEWAY.frames[1].encrypted + GATEWAY.frames[2].encrypted)
        self.assertEqual(bytes(gateway.received), b"".join((AGENT.preface, *frames[:3])))
        link, outcome = self.successResultOf(done)
        self.assertEqual(outcome.registered[0].urls, ("example.gateway.com",))
        (end,) = self.handler.endpoints
        self.assertEqual((bytes(end.received), end.stream.id), (GATEWAY.frames[2].payload, 33385))
        link.mux.write(end.stream, AGENT.frames[3].payload)
        link.mux.finish(end.stream)
        self.plane.pump()
        self.assertEqual(bytes(gateway.received), AGENT.everything)
        link.close()
        self.plane.pump()
        self.assertEqual((bytes(gateway.received), gateway.ended), (AGENT.everything, True))

    def test_others(self) -> None:
        """Who speaks something else, or nothing, is not asked for a login; another version will stay another."""
        for said, kind, words in (
            (b"digl\x02", Refused, "speaks version 2 of the protocol; this is version 1"),
            (b"\x15\x03\x01\x00\x02\x02\x46", LinkLost, "does not speak version 1"),
            (b"HTTP/1.1 400 Bad Request", LinkLost, "does not speak version 1"),
            (GATEWAY.preface[:5] + bytes(33), LinkLost, "public key"),
        ):
            done = self.dial()
            self.says(said)
            error = self.failure(done)
            self.assertIsInstance(error, kind)
            self.assertIn(words, str(error))
            self.assertEqual(getattr(error, "permanent", False), kind is Refused)
            self.assertEqual(bytes(self.gateways[-1].received), AGENT.preface)

    def test_hangsUp(self) -> None:
        """A gateway that closes without a word may be one that does not allow version 1."""
        for hangUp in ("close", "abort"):
            done = self.dial()
            getattr(self.gateways[-1].channel, hangUp)()
            self.gateways[-1].ended = True
            self.plane.pump()
            self.assertIn("does it allow that?", str(self.failure(done)))

    def test_silence(self) -> None:
        """A gateway that says nothing, at whatever point, is given up."""
        for said in (b"", GATEWAY.preface, GATEWAY.preface + GATEWAY.frames[0].encrypted):
            done = self.dial()
            self.says(said)
            self.plane.advance(39)
            self.assertNoResult(done)
            self.plane.advance(7)
            self.assertIn("in time", str(self.failure(done)))

    def test_slow(self) -> None:
        """One that takes its time, and answers each question before it is given up, is waited for."""
        done = self.dial()
        self.says(GATEWAY.preface)
        for frame in GATEWAY.frames[:2]:
            self.plane.advance(35)
            self.says(frame.encrypted)
        link, _ = self.successResultOf(done)
        link.close()

    def test_unreachable(self) -> None:
        """Nobody there is said as such."""
        self.assertIn("cannot reach gateway.com:1", str(self.failureResultOf(self.dial(port=1)).value))

    def test_refused(self) -> None:
        """Garbage in the place of an answer ends it."""
        done = self.dial()
        self.says(GATEWAY.preface)
        self.says(b"garbage, for want of the keys" * 300)
        self.assertIn("breaks the protocol", str(self.failure(done)))

    def test_cancelled(self) -> None:
        """An attempt can be given up at any point."""
        for said in (b"", GATEWAY.preface):
            done = self.dial()
            self.says(said)
            done.cancel()
            self.assertIsInstance(self.failure(done), CancelledError)

    def test_tuned(self) -> None:
        """The kernel watches over the connection, for there is nobody else."""
        done = self.dial()
        options = self.gateways[0].channel._other.options
        self.assertEqual(options[socket.SOL_SOCKET, socket.SO_KEEPALIVE], 1)
        if sys.platform == "linux":
            self.assertEqual(options[socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT], UNACKNOWLEDGED * 1000)
            idle, interval, probes = (
                options[socket.IPPROTO_TCP, name]
                for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            self.assertEqual(idle + interval * probes, UNACKNOWLEDGED)
        done.cancel()
        self.failureResultOf(done)

    def test_place(self) -> None:
        """Where a name is likely to be: under the gateway's own, unless that is an address."""
        self.assertEqual(likelyPlace("example", Target("gateway.com", 20_000)), "example.gateway.com")
        self.assertEqual(likelyPlace("example", Target("192.0.2.1", 20_000)), "example at 192.0.2.1:20000")
        self.assertEqual(likelyPlace("example", Target("2001:db8::1", 1)), "example at [2001:db8::1]:1")
