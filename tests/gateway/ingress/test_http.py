"""The HTTP front, from a visitor's bytes to a stream's and back."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused
from diglett.gateway.ingress.exchange import HEAD_TIMEOUT, IDLE_TIMEOUT
from diglett.wire.frames import Reason
from tests.gateway.ingress.rig import Rig, Visitor

GET = b"GET /%b HTTP/1.1\r\nHost: %b.gateway.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def get(path: bytes = b"", name: bytes = b"one") -> bytes:
    return GET % (path, name)


def ok(body: bytes) -> bytes:
    return OK % (len(body), body)


class FrontTestCase(SynchronousTestCase):
    """A rig that must be clean in the end."""

    window = 262_144

    def setUp(self) -> None:
        self.rig = Rig(self.window)
        self.addCleanup(self.clean)

    def clean(self) -> None:
        """Ending the link leaves no stream and no timer; idle visitors are let go in time."""
        self.rig.gateway.link.close()
        self.rig.front.close()
        self.rig.plane.pump()
        self.rig.advance(2)
        self.assertEqual(self.rig.gateway.link.mux.streams, {})
        self.assertEqual(self.rig.gateway.link.mux.undelivered, 0)

    def paths(self, number: int = 0) -> list[bytes]:
        """The request lines that a backend has seen."""
        received = bytes(self.rig.backends[number].received)
        return [part.split(b"\r\n")[0] for part in received.split(b"\r\n\r\n") if part]

    def status(self, visitor: Visitor) -> int:
        return int(bytes(visitor.received).split(b" ")[1])


class RequestTests(FrontTestCase):
    """From the visitor to the backend."""

    def test_oneRequest(self) -> None:
        """A request reaches the backend with who asked, and its answer the visitor as it was given."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get(b"a?b=c"))
        head = bytes(self.rig.backends[0].received)
        self.assertTrue(head.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: one.gateway.com\r\n"))
        self.assertIn(b"X-Forwarded-For: 127.0.0.1\r\n", head)
        self.assertIn(b"X-Forwarded-Proto: http\r\n", head)
        self.rig.answer(0, ok(b"hello"))
        self.assertEqual(bytes(visitor.received), ok(b"hello"))
        self.assertFalse(visitor.closed)

    def test_keptStream(self) -> None:
        """The next request of the same name goes over the same stream."""
        visitor = self.rig.visit()
        for number in range(3):
            self.rig.ask(visitor, get(b"%d" % number))
            self.rig.answer(0, ok(b"x"))
        self.assertEqual(len(self.rig.backends), 1)
        self.assertEqual(self.paths(), [b"GET /0 HTTP/1.1", b"GET /1 HTTP/1.1", b"GET /2 HTTP/1.1"])

    def test_everyRequestByItsOwnHost(self) -> None:
        """On one connection each request goes where its own Host says, and only there."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get(b"a", b"one"))
        self.rig.answer(0, ok(b"from one"))
        self.rig.ask(visitor, get(b"b", b"two"))
        self.rig.answer(1, ok(b"from two"))
        self.assertEqual((self.paths(0), self.paths(1)), ([b"GET /a HTTP/1.1"], [b"GET /b HTTP/1.1"]))
        self.assertEqual(bytes(visitor.received), ok(b"from one") + ok(b"from two"))
        self.assertEqual(len(self.rig.gateway.link.mux.streams), 1)

    def test_pipelined(self) -> None:
        """Requests that come together are answered one by one, in their order."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get(b"a") + get(b"b", b"two") + get(b"c", b"nope") + get(b"d"))
        self.assertEqual(self.paths(0), [b"GET /a HTTP/1.1"])
        self.assertEqual(len(self.rig.backends), 1)
        self.rig.answer(0, ok(b"1"))
        self.rig.answer(1, ok(b"2"))
        self.rig.answer(2, ok(b"4"))
        answers = bytes(visitor.received)
        self.assertTrue(answers.startswith(ok(b"1") + ok(b"2") + b"HTTP/1.1 404 "))
        self.assertTrue(answers.endswith(ok(b"4")))

    def test_manyPipelinedRefusals(self) -> None:
        """Thousands of requests for nothing, all at once, are all answered: no recursion, no loss."""
        visitor = self.rig.visit()
        request = get(b"", b"n")
        self.rig.ask(visitor, request * 3000)
        self.assertEqual(bytes(visitor.received).count(b"HTTP/1.1 404 "), 3000)

    def test_bodies(self) -> None:
        """A body of known length and a chunked one reach the backend whole, and the next request behind them."""
        visitor = self.rig.visit()
        head = b"POST /%b HTTP/1.1\r\nHost: one.gateway.com\r\n"
        self.rig.ask(visitor, head % b"a" + b"Content-Length: 10\r\n\r\n01234")
        self.rig.ask(visitor, b"56789")
        self.assertTrue(bytes(self.rig.backends[0].received).endswith(b"\r\n\r\n0123456789"))
        self.rig.answer(0, ok(b"1"))
        self.rig.ask(visitor, head % b"b" + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel")
        self.rig.ask(visitor, b"lo\r\n0\r\nX-Sum: 1\r\n\r\n" + get(b"c"))
        seen = bytes(self.rig.backends[0].received)
        self.assertTrue(seen.endswith(b"0\r\nX-Sum: 1\r\n\r\n"), seen[-60:])
        self.rig.answer(0, ok(b"2"))
        self.assertTrue(self.paths()[-1].startswith(b"GET /c"))

    def test_smuggling(self) -> None:
        """What two readers could read differently is refused, its connection closed, and no backend hears of it."""
        for fields in (
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            b"Content-Length: 5\r\nContent-Length: 6\r\n",
            b"Transfer-Encoding: chunked, identity\r\n",
            b"X: a\r\n b\r\n",
            b"X: a\nY: b\r\n",
            b"Content-Length : 5\r\n",
        ):
            visitor = self.rig.visit()
            self.rig.ask(visitor, b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\n" + fields + b"\r\n0\r\n\r\nGET /x")
            self.assertEqual(self.status(visitor), 400, fields)
            self.assertTrue(visitor.closed, fields)
        self.assertEqual(self.rig.backends, [])

    def test_misdirected(self) -> None:
        """A Host that is not the name TLS was made for is refused with 421."""
        visitor = self.rig.visit(secure=True, serverName="one.gateway.com")
        self.rig.ask(visitor, get(b"", b"two"))
        self.assertEqual(self.status(visitor), 421)
        self.rig.ask(visitor, get(b"yes"))
        self.assertEqual(self.paths(), [b"GET /yes HTTP/1.1"])

    def test_expect(self) -> None:
        """100-continue comes from the backend, and the body goes after it."""
        visitor = self.rig.visit()
        self.rig.ask(
            visitor,
            b"PUT / HTTP/1.1\r\nHost: one.gateway.com\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        )
        self.rig.answer(0, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(bytes(visitor.received), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.rig.ask(visitor, b"hi")
        self.rig.answer(0, ok(b"thanks"))
        self.assertTrue(bytes(visitor.received).endswith(b"thanks"))

    def test_upgrade(self) -> None:
        """After 101 both sides say what they like, and each half ends by itself."""
        visitor = self.rig.visit()
        self.rig.ask(
            visitor,
            b"GET /ws HTTP/1.1\r\nHost: one.gateway.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        self.assertIn(b"Upgrade: websocket", bytes(self.rig.backends[0].received))
        self.rig.answer(0, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhey")
        self.assertTrue(bytes(visitor.received).endswith(b"\r\n\r\nhey"))
        self.rig.ask(visitor, b"\x81\x00GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(bytes(self.rig.backends[0].received).endswith(b"\x81\x00GET / HTTP/1.1\r\n\r\n"))
        visitor.channel.finish()
        self.rig.plane.pump()
        self.assertTrue(self.rig.backends[0].ended)
        self.rig.answer(0, b"bye", finish=True)
        self.assertTrue(bytes(visitor.received).endswith(b"bye"))
        self.assertTrue(visitor.closed)


class AnswerTests(FrontTestCase):
    """From the backend to the visitor."""

    def test_streamed(self) -> None:
        """Each part of an answer reaches the visitor when it comes, not when all has come."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        self.rig.answer(0, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        self.rig.answer(0, b"data: 1\n\n")
        self.assertIn(b"data: 1\n\n", bytes(visitor.received))
        self.rig.answer(0, b"data: 2\n\n", finish=True)
        self.assertIn(b"data: 2\n\n", bytes(visitor.received))
        self.assertTrue(bytes(visitor.received).endswith(b"0\r\n\r\n"))

    def test_truncated(self) -> None:
        """An answer that ends too early ends the visitor's connection with an error, never as if it were whole."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        self.rig.answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", finish=True)
        self.assertIsNotNone(visitor.error)

    def test_head(self) -> None:
        """The answer to HEAD has no body, whatever length it tells of, and the connection goes on."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, b"HEAD / HTTP/1.1\r\nHost: one.gateway.com\r\n\r\n")
        self.rig.answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        self.rig.ask(visitor, get(b"next"))
        self.assertEqual(self.paths()[-1], b"GET /next HTTP/1.1")

    def test_moreThanAsked(self) -> None:
        """What a backend sends beyond its answer reaches nobody, least of all the next request's visitor."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get(b"a"))
        self.rig.answer(0, ok(b"mine") + ok(b"poison"))
        self.assertEqual(bytes(visitor.received), ok(b"mine"))
        self.rig.ask(visitor, get(b"b", b"two"))
        self.rig.answer(1, ok(b"clean"))
        self.assertNotIn(b"poison", bytes(visitor.received))

    def test_backendRefused(self) -> None:
        """An agent that cannot reach its backend is told of with 502 and the reason, and the connection goes on."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        self.rig.agent.link.mux.close(self.rig.backends[0].stream, Reason.BACKEND_UNREACHABLE, "connection refused")
        self.rig.plane.pump()
        head, _, body = bytes(visitor.received).partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 502 "))
        self.assertEqual(json.loads(body)["error"]["code"], "backend-refused")
        self.assertIn("connection refused", json.loads(body)["error"]["message"])
        self.rig.ask(visitor, get())
        self.assertEqual(len(self.rig.backends), 2)

    def test_nonsense(self) -> None:
        """A backend that does not speak HTTP is told of with 502."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        self.rig.answer(0, b"SSH-2.0-OpenSSH_9.2\r\n")
        self.assertEqual(self.status(visitor), 502)

    def test_linkLost(self) -> None:
        """A visitor who waits when the link dies gets an answer at once; one in mid-answer sees a broken connection."""
        waiting, reading = self.rig.visit(), self.rig.visit()
        self.rig.ask(waiting, get())
        self.rig.ask(reading, get())
        self.rig.answer(1, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
        self.rig.gateway.channel.reset()
        self.rig.plane.pump()
        self.assertEqual(self.status(waiting), 504)
        self.assertIsNotNone(reading.error)

    def test_keptStreamWasClosed(self) -> None:
        """A safe request that meets a dead kept stream is sent again on a new one; nobody notices."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get(b"a"))
        self.rig.answer(0, ok(b"1"))
        # The backend's end is on its way while the request is: they meet.
        self.rig.agent.link.mux.close(self.rig.backends[0].stream, Reason.NONE)
        self.rig.agent.link.flush()
        visitor.send(get(b"b"))
        self.rig.plane.pump()
        self.assertEqual(self.paths(1), [b"GET /b HTTP/1.1"])
        self.rig.answer(1, ok(b"2"))
        self.assertEqual(bytes(visitor.received), ok(b"1") + ok(b"2"))

    def test_answeredBeforeItWasAllSent(self) -> None:
        """An answer that comes before the body is complete is passed on, and the connection closed."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\nContent-Length: 1000\r\n\r\nabc")
        self.rig.answer(0, b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        self.assertTrue(bytes(visitor.received).endswith(b"\r\n\r\nno"))
        self.assertIn(b"Connection: close", bytes(visitor.received))
        self.assertTrue(visitor.closed)


class NobodyThereTests(FrontTestCase):
    """Names without an agent, agents without room."""

    def test_pages(self) -> None:
        """No such name is 404, an agent that is away 503 with Retry-After, no room 503."""
        self.rig.names.left.add("gone")
        self.rig.names.held["two"].refusal = Refused("full", code="limit")
        for name, status, code in (
            (b"no", 404, "no-such-name"),
            (b"gone", 503, "agent-away"),
            (b"two", 503, "too-many-streams"),
        ):
            visitor = self.rig.visit()
            self.rig.ask(visitor, get(b"", name))
            head, _, body = bytes(visitor.received).partition(b"\r\n\r\n")
            self.assertEqual((self.status(visitor), json.loads(body)["error"]["code"]), (status, code))
            self.assertEqual(b"Retry-After" in head, status == 503)

    def test_notUnderTheDomain(self) -> None:
        """Hosts that are not exactly one label under the domain belong to nobody."""
        for host in (b"gateway.com", b"a.one.gateway.com", b"one.gateway.com.evil.org", b"onegateway.com", b"10.0.0.1"):
            visitor = self.rig.visit()
            self.rig.ask(visitor, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            self.assertEqual(self.status(visitor), 404, host)
        self.assertEqual(self.rig.backends, [])

    def test_hostIsOneSpelling(self) -> None:
        """Case, a trailing dot and the port of Host do not matter."""
        for host in (b"ONE.Gateway.COM", b"one.gateway.com.", b"one.gateway.com:8443"):
            visitor = self.rig.visit()
            self.rig.ask(visitor, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        self.assertEqual(len(self.rig.backends), 3)


class TimeTests(FrontTestCase):
    """Deadlines."""

    def test_slowHead(self) -> None:
        """A head that does not come in time is answered with 408; a connection that says nothing is just closed."""
        slow, silent = self.rig.visit(), self.rig.visit()
        self.rig.ask(slow, b"GET / HTTP/1.1\r\nHost: one.")
        self.rig.advance(HEAD_TIMEOUT + 3)
        self.assertEqual(self.status(slow), 408)
        self.assertTrue(slow.closed and silent.closed)
        self.assertEqual(bytes(silent.received), b"")

    def test_idle(self) -> None:
        """A kept connection is closed after a while without a request, and its stream with it."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        self.rig.answer(0, ok(b"1"))
        self.rig.advance(IDLE_TIMEOUT - 5)
        self.assertFalse(visitor.closed)
        self.rig.advance(8)
        self.assertTrue(visitor.closed)
        self.assertEqual(self.rig.gateway.link.mux.streams, {})

    def test_longAnswer(self) -> None:
        """Waiting for an answer has no limit: long polls live."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        self.rig.advance(300)
        self.rig.answer(0, ok(b"at last"))
        self.assertTrue(bytes(visitor.received).endswith(b"at last"))

    def test_drain(self) -> None:
        """When the gateway stops, idle visitors are let go at once and a running answer is finished first."""
        idle, busy = self.rig.visit(), self.rig.visit()
        self.rig.ask(busy, get())
        self.rig.front.close()
        self.rig.plane.pump()
        self.assertTrue(idle.closed)
        self.assertFalse(busy.closed)
        self.rig.answer(0, ok(b"done"))
        self.assertIn(b"Connection: close", bytes(busy.received))
        self.assertTrue(bytes(busy.received).endswith(b"done"))
        self.assertTrue(busy.closed)


class PressureTests(FrontTestCase):
    """Small windows and slow sides."""

    window = 16_384

    def test_longUpload(self) -> None:
        """A body larger than every window arrives whole, in order, as the backend takes it."""
        visitor = self.rig.visit()
        body = bytes(range(256)) * 1024
        visitor.send(b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.rig.plane.pump()
        self.assertTrue(bytes(self.rig.backends[0].received).endswith(body))

    def test_slowBackend(self) -> None:
        """A backend that takes nothing costs at most its window and one read; the visitor is not read any more."""
        self.rig.agent.handler.answer = None
        visitor = self.rig.visit()
        visitor.send(b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\nContent-Length: 1000000\r\n\r\n")
        self.rig.plane.pump()
        backend = self.rig.backends[0]
        backend.stalled = True
        visitor.send(bytes(900_000))
        self.rig.plane.pump()
        self.assertLessEqual(len(backend.received), self.window + 1000)
        self.assertGreater(visitor.channel.queued, 500_000)

    def test_visitorLeaves(self) -> None:
        """A visitor that resets its connection in the middle has its stream closed."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        visitor.channel.abort()
        self.rig.plane.pump()
        self.assertEqual(self.rig.gateway.link.mux.streams, {})
        self.assertIsNotNone(self.rig.backends[0].reason)
