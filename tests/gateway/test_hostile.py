"""Agents that break the rules, with and without a token: what it costs the gateway and the others, which is nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from diglett.accounts import Limits
from diglett.link.arrival import UNREAD_MAX
from diglett.wire.codec import encodePreface
from diglett.wire.frames import EXTENSIONS, HEADER, Kind, Reason, encodeFrame
from diglett.wire.messages import Register
from diglett.wire.outbox import CONTROL_QUEUE_MAX
from tests.gateway.housekeeping import GET, OK, HouseTestCase
from tests.gateway.people import AGENT, HTTP, Stranger

GREETING = encodePreface(b"{}")


class HostileTestCase(HouseTestCase):
    """A house with one honest agent in it, who must never notice anything."""

    def setUp(self) -> None:
        super().setUp()
        self.backends = self.house.backend()
        self.honest = self.agent("honest", token="bob")
        self.witness = self.visit(b"honest")

    def empty(self) -> None:
        self.backends.say(0, OK)
        self.assertEqual(bytes(self.witness.received), OK)
        self.assertEqual(self.honest.notes.events, ["up"])
        self.assertEqual(self.flushLoggedErrors(), [])
        super().empty()

    def entered(self, *names: str, **options: Any) -> Stranger:
        """A stranger with a token, whose handshake is over."""
        stranger = self.house.stranger()
        stranger.enter(*names, **options)
        self.assertTrue(stranger.established)
        return stranger


class HandshakeTests(HostileTestCase):
    """Before anything is established."""

    def said(self, *frames: bytes, greeting: bytes = GREETING) -> Stranger:
        """A stranger who says all this at once."""
        stranger = self.house.stranger()
        stranger.say(greeting + b"".join(frames))
        return stranger

    def test_notOurs(self) -> None:
        """Other magic, another version, or a hello that is too long or none, is answered with an error and the end."""
        for greeting, code in (
            (b"GET / HTTP/1.1\r\n\r\n", "protocol"),
            (b"\x00" * 64, "protocol"),
            (b"digl\x01" + bytes(33), "version"),
            (b"digl\x03", "version"),
            (b"digl\x02\xff\xff", "protocol"),
            (encodePreface(b"[]"), "protocol"),
            (encodePreface(b'{"window": 1}'), "protocol"),
            (encodePreface(b'{"window": 1e9}'), "protocol"),
            (encodePreface(b'{"window": true}'), "protocol"),
            (encodePreface(b'{"streams": -1}'), "protocol"),
            (encodePreface(b'{"software": "' + b"x" * 101 + b'"}'), "protocol"),
            (encodePreface(json.dumps({"features": ["x"] * 33}).encode()), "protocol"),
            (encodePreface(b'{"software": "\\ud800"}'), "protocol"),
        ):
            stranger = self.said(greeting=greeting)
            self.assertEqual((stranger.error, stranger.closed), (code, True), greeting[:20])
        self.assertEqual(self.house.book.asked[1:], [])

    def test_outOfOrder(self) -> None:
        """A frame that does not belong where it comes is answered with an error and the end, whatever it is."""
        login = encodeFrame(Kind.LOGIN, 0, json.dumps({"token": "alice", "agent": AGENT}).encode())
        register = encodeFrame(Kind.REGISTER, 1, Register("example").encode())
        finish = encodeFrame(Kind.FINISH_REGISTER, 0)
        for kind in set(range(256)) - set(EXTENSIONS):
            for before in ((), (login,), (login, register)):
                expected = (Kind.REGISTER, Kind.FINISH_REGISTER) if before else (Kind.LOGIN,)
                if kind not in expected:
                    stranger = self.said(*before, encodeFrame(kind, 0))
                    self.assertEqual((stranger.error, stranger.closed), ("protocol", True), (kind, len(before)))
        for frames in (
            (register,),
            (login, login),
            (login, finish),
            (login, encodeFrame(Kind.REGISTER, 2, Register("example").encode())),
            (login, encodeFrame(Kind.REGISTER, 0, Register("example").encode())),
            (login, register, register),
        ):
            self.assertEqual(self.said(*frames).error, "protocol")
        self.assertEqual([name.name for name in self.house.registry], ["honest"])

    def test_payloads(self) -> None:
        """What is too large, too deep, no object, or of the wrong types is refused without much ado."""
        deep = b"[" * 8_192
        for payload in (
            deep,
            b'{"token":' * 900,
            b'{"token": ' + b"9" * 8_000 + b"}",
            b'{"agent": NaN}',
            b"null",
            b"[]",
            b'"x"',
            b"\xff\xfe{}",
            b"{}",
            json.dumps({"token": "alice", "agent": "short"}).encode(),
            json.dumps({"token": "alice", "agent": "x" * 65}).encode(),
            json.dumps({"token": "alice", "agent": ["x"] * 16}).encode(),
            json.dumps({"token": "t" * 4_097, "agent": AGENT}).encode(),
            json.dumps({"token": {"x": 1}, "agent": AGENT}).encode(),
            b'{"token": "\\udfff", "agent": "0123456789abcdef"}',
        ):
            stranger = self.said(encodeFrame(Kind.LOGIN, 0, payload))
            self.assertEqual((stranger.error, stranger.closed), ("protocol", True), payload[:30])
        stranger = self.said(HEADER.pack(Kind.LOGIN, 0, 8_193))
        self.assertEqual(stranger.error, "protocol")
        self.assertEqual(self.house.book.asked[1:], [])

    def test_registrations(self) -> None:
        """An agent may have sixty-four names, and not one more."""
        names = [f"name{number}" for number in range(64)]
        self.assertEqual(len(self.entered(*names).of(Kind.OK)), 66)
        stranger = self.house.stranger()
        stranger.enter(*names, "more", token="bob", agent="x" * 16)
        self.assertIn(stranger.error, ("name-taken", "protocol"))
        other = self.house.stranger()
        other.enter(*(f"other{number}" for number in range(65)))
        self.assertEqual(other.error, "protocol")
        self.assertEqual(len(self.house.registry), 65)

    def test_sameName(self) -> None:
        """Spellings that DNS or browsers take for one another are one name."""
        self.entered("Example", "bücher")
        for spelling in (
            "EXAMPLE", "eXample", "\uff45\uff58ample", "exam\u00adple", "\u212fxample",
            "xn--bcher-kva", "XN--BCHER-KVA", "BÜCHER", "bu\u0308cher",
        ):  # fmt: skip
            stranger = self.house.stranger()
            stranger.enter(spelling, token="bob", agent="b" * 16)
            self.assertEqual(stranger.error, "name-taken", ascii(spelling))

    def test_noName(self) -> None:
        """What is no label is no name, and what was sent does not get into the log's lines."""
        for spelling in (
            "", "-", "a-", "-a", "a.b", "a.", ".", "a b", "a_b", "a\x00b", "a\nb", "a\x1b[31m", "*", "a" * 64,
            "ü" * 60, "xn--a", "xn--0000h", "ab--cd", "a\u200db", "\u3002", "a\u3002b", "\u0661", "\U0001f600",
        ):  # fmt: skip
            stranger = self.house.stranger()
            stranger.enter(spelling, token="alice")
            self.assertEqual(stranger.error, "name-invalid", ascii(spelling))

    def test_unread(self) -> None:
        """While an answer is pending no more is read than 64 KiB and one read: the rest waits in the kernel."""
        self.house.book.answer = Deferred()
        stranger = self.house.stranger()
        stranger.greet()
        stranger.login()
        stranger.say(encodeFrame(Kind.REGISTER, 1, b" " * 8_000) * 100)
        (arrival,) = self.house.agents._arrivals
        self.assertLessEqual(arrival._handshake.buffered, UNREAD_MAX + 16_384)
        self.assertGreater(stranger.raw.queued, 500_000)
        self.plane.advance(11)
        self.assertTrue(stranger.closed)

    def test_manyAtOnce(self) -> None:
        """An account's limits hold for many handshakes at once, none of which is finished."""
        self.house.book.add("carol", limits=Limits(agents=3, names=2))
        strangers = []
        for number in range(5):
            stranger = self.house.stranger()
            stranger.greet()
            stranger.login("carol", f"{number:016}")
            stranger.register(f"name{number}")
            strangers.append(stranger)
        for stranger in strangers:
            stranger.frame(Kind.FINISH_REGISTER)
        self.assertEqual([stranger.established for stranger in strangers], [True, True, False, False, False])
        self.assertEqual([stranger.error for stranger in strangers], [None, None, "limit", "limit", "limit"])

    def test_sameAgentTwice(self) -> None:
        """One agent has one link: to say that one is another's successor is no way to have more than allowed."""
        self.house.book.add("carol", limits=Limits(agents=1, names=1))
        first = self.entered("one", token="carol")
        second = self.entered("two", token="carol")
        self.assertEqual((first.error, first.closed, second.closed), ("replaced", True, False))
        self.assertEqual([name.name for name in self.house.registry], ["honest", "two"])

    def test_anothersAgent(self) -> None:
        """The identity of somebody else's agent is worth nothing in one's own account."""
        stranger = self.house.stranger()
        stranger.enter("honest", agent=self.honest.service._agent)
        self.assertEqual(stranger.error, "name-taken")

    def test_replayed(self) -> None:
        """What an honest agent has sent, played again, does not even get through TLS."""
        recorded = bytearray()
        stranger = self.house.stranger()
        raw = stranger.raw
        write = raw.write

        def record(parts: Any, size: int) -> int:
            recorded.extend(b"".join(parts))
            sent: int = write(parts, size)
            return sent

        raw.write = record
        stranger.enter("example")
        stranger.frame(Kind.TERMINATE)
        again = self.house.connect(20_000)
        again.send(bytes(recorded))
        self.plane.pump()
        self.assertTrue(again.closed)
        self.assertEqual([name.name for name in self.house.registry], ["honest"])

    @settings(max_examples=150, deadline=None)
    @given(
        st.integers(0, 3),
        st.binary(max_size=60)
        | st.builds(encodeFrame, st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=40)),
    )
    def test_garbage(self, state: int, garbage: bytes) -> None:
        """Whatever comes in whatever state, at the worst the link ends; nothing raises, and nothing stays."""
        stranger = self.house.stranger()
        stranger.say(GREETING * (state > 0))
        if state > 1:
            stranger.login()
        if state > 2:
            stranger.register("example")
            stranger.frame(Kind.FINISH_REGISTER)
        stranger.say(garbage)
        stranger.raw.abort()
        self.plane.pump()
        self.assertEqual([name.name for name in self.house.registry], ["honest"])
        self.assertEqual((self.house.agents.handshakes, len(self.house.agents)), (0, 1))


class LinkTests(HostileTestCase):
    """With a token, once established."""

    def stream(self, stranger: Stranger) -> tuple[int, Any]:
        """A visitor's stream to the stranger: its id and the visitor."""
        visitor = self.house.connect(HTTP)
        visitor.send(GET % b"example")
        self.plane.pump()
        return stranger.of(Kind.OPEN)[-1].id, visitor

    def ended(self, stranger: Stranger, code: str = "protocol") -> None:
        self.assertEqual((stranger.error, stranger.closed), (code, True))
        self.assertEqual([name.name for name in self.house.registry], ["honest"])

    def test_opens(self) -> None:
        """An agent that opens a stream is ended; nobody was reached."""
        for id in (1, 2, 3, 2**32 - 1):
            stranger = self.entered("example")
            stranger.frame(Kind.OPEN, id, b"\0\1\0127.0.0.1 1\0")
            self.ended(stranger)

    def test_handshakeAgain(self) -> None:
        """Login and Register belong to the handshake."""
        for kind in (Kind.LOGIN, Kind.REGISTER, Kind.FINISH_REGISTER, Kind.OK):
            stranger = self.entered("example")
            stranger.frame(kind, 1, b"{}")
            self.ended(stranger)

    def test_othersStreams(self) -> None:
        """The ids of others' streams mean nothing on this link: whatever is said of them is ignored."""
        self.entered("other", agent="f" * 16)
        stranger = self.entered("example")
        (theirs,) = [each._link for each in self.house.agents if each.account.id == "bob"]
        assert theirs is not None
        (live,) = theirs.mux.streams
        for id in (live, live + 2, 2**32 - 1, 0):
            for kind, payload in (
                (Kind.PAYLOAD, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
                (Kind.WINDOW, b"\0\0\xff\xff"),
                (Kind.FINISH, b""),
                (Kind.CLOSE, b"\0\6"),
            ):
                stranger.frame(kind, id, payload)
        self.assertFalse(stranger.closed)
        self.assertEqual(bytes(self.witness.received), b"")

    def test_overrun(self) -> None:
        """A stream that is sent more than its credit ends, and nothing but that stream."""
        stranger = self.entered("example")
        id, visitor = self.stream(stranger)
        other, _ = self.stream(stranger)
        visitor.channel.pauseReading()
        stranger.frame(Kind.PAYLOAD, id, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        for _ in range(20):
            stranger.frame(Kind.PAYLOAD, id, bytes(60_000))
        (close,) = stranger.of(Kind.CLOSE)
        self.assertEqual((close.id, close.payload[:2]), (id, bytes([0, Reason.CREDIT])))
        self.assertFalse(stranger.closed)
        self.assertEqual(len(stranger.of(Kind.OPEN)), 2)
        self.assertNotEqual(id, other)

    def test_creditOverflow(self) -> None:
        """Credit beyond what can be counted ends the stream; malformed credit the link."""
        stranger = self.entered("example")
        id, _ = self.stream(stranger)
        for _ in range(3):
            stranger.frame(Kind.WINDOW, id, (2**30).to_bytes(4, "big"))
        self.assertEqual(stranger.of(Kind.CLOSE)[0].payload[:2], bytes([0, Reason.PROTOCOL]))
        stranger.frame(Kind.WINDOW, id, b"\0\0\0\0")
        self.ended(stranger)

    def test_neverReads(self) -> None:
        """An agent that asks and does not read the answers is dropped when we owe it a megabyte."""
        stranger = self.entered("example")
        stranger.tls.pauseReading()
        pings = encodeFrame(Kind.PING, 0, bytes(8)) * 4_000
        said = 0
        while not stranger.raw._other.closed and said < 4 * CONTROL_QUEUE_MAX:
            stranger.say(pings)
            said += len(pings)
        self.assertTrue(stranger.raw._other.closed)
        self.assertLess(said, CONTROL_QUEUE_MAX + 500_000)
        self.assertEqual([name.name for name in self.house.registry], ["honest"])

    def test_floods(self) -> None:
        """A hundred thousand frames for streams that never were are counted and dropped."""
        stranger = self.entered("example")
        for kind, payload in ((Kind.CLOSE, b""), (Kind.FINISH, b""), (Kind.WINDOW, b"\0\0\0\1"), (Kind.PAYLOAD, b"")):
            stranger.say(encodeFrame(kind, 7, payload) * 25_000)
        stranger.say(encodeFrame(100, 7, b"an extension") * 1_000)
        stranger.frame(Kind.PING, 0, b"still up")
        self.assertEqual(stranger.of(Kind.PONG)[-1].payload, b"still up")

    def test_oddEnds(self) -> None:
        """Drain, Terminate and Error end what they are for, in whatever order and however often."""
        stranger = self.entered("example")
        _, visitor = self.stream(stranger)
        stranger.frame(Kind.DRAIN)
        stranger.frame(Kind.DRAIN)
        self.assertEqual([name.name for name in self.house.registry], ["honest"])
        self.assertFalse(stranger.closed)
        self.assertEqual(self.status(self.visit(b"example")), 503)
        stranger.frame(Kind.TERMINATE)
        self.assertTrue(stranger.closed)
        self.assertEqual(self.status(visitor), 504)
        for payload in (b'{"code": "revoked", "message": "\\u001b[2J", "permanent": true}', b"{}", b""):
            stranger = self.entered("example")
            stranger.frame(Kind.ERROR, 0, payload)
            self.assertTrue(stranger.closed)
        for kind in (Kind.DRAIN, Kind.TERMINATE):
            stranger = self.entered("example")
            stranger.frame(kind, 1, b"x")
            self.ended(stranger)

    def test_keepsDraining(self) -> None:
        """An agent that drains for ever has no name, and still counts as one of its account's."""
        self.house.book.add("carol", limits=Limits(agents=1))
        stranger = self.entered("example", token="carol")
        self.stream(stranger)
        stranger.frame(Kind.DRAIN)
        second = self.house.stranger()
        second.enter("two", token="carol")
        self.assertEqual(second.error, "limit")

    def test_answersInAnothersName(self) -> None:
        """A backend that answers what nobody asked reaches nobody: a visitor's next answer is from who was asked."""
        stranger = self.entered("example")
        id, visitor = self.stream(stranger)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
        stranger.frame(Kind.PAYLOAD, id, answer + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        visitor.send(GET % b"honest")
        self.plane.pump()
        self.backends.say(1, OK)
        self.assertEqual(bytes(visitor.received), answer + OK)
        # and later, when the connection is somebody else's already
        stranger.frame(Kind.PAYLOAD, id, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        self.assertEqual(bytes(visitor.received), answer + OK)
