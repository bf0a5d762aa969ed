"""The gateway's handshake: `docs/wire.md`, sections 2 and 4."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import DiglettError, LinkLost, ProtocolError, Refused, VersionMismatch
from diglett.wire.codec import Frame, encodePreface
from diglett.wire.frames import HANDSHAKE_MAX, Kind, encodeFrame
from diglett.wire.handshake.gateway import GatewayHandshake
from diglett.wire.messages import Established, Register, Registered, decodeJson, decodeRefusal
from tests.wire import cut
from tests.wire.handshake.talking import (
    AGENT_HELLO,
    GATEWAY_HELLO,
    LATE,
    LOGIN,
    TERMS,
    WANTED,
    Gateway,
    Question,
    read,
    registered,
)

PREFACE = encodePreface(AGENT_HELLO.encode())
LOGGING_IN = encodeFrame(Kind.LOGIN, 0, LOGIN.encode())
FIRST, SECOND = (encodeFrame(Kind.REGISTER, number, each.encode()) for number, each in enumerate(WANTED, 1))
FINISH = encodeFrame(Kind.FINISH_REGISTER, 0)
QUESTIONS = (PREFACE, LOGGING_IN, FIRST, SECOND, FINISH)
FLIGHT = b"".join(QUESTIONS)
GONE = LinkLost("gone")


class GrantedTests(SynchronousTestCase):
    """Everything is granted."""

    def established(self, gateway: Gateway) -> None:
        """Check that it has ended well, once, and what was said."""
        self.assertEqual((gateway.errors, gateway.established_), ([], 1))
        self.assertEqual(gateway.handshake.theirs, AGENT_HELLO)
        hello, frames = read(bytes(gateway.sent))
        self.assertEqual(hello, GATEWAY_HELLO)
        self.assertEqual([(frame.kind, frame.id) for frame in frames], [(Kind.OK, id) for id in (0, 1, 2, 0)])
        self.assertEqual(decodeJson(frames[0].payload), {"account": "alice"})
        self.assertEqual(
            [Registered.decode(frame.payload) for frame in frames[1:3]], [registered(each) for each in WANTED]
        )
        self.assertEqual(Established.decode(frames[3].payload), TERMS)
        self.assertEqual([each.asked for each in gateway.questions], [LOGIN, (1, WANTED[0]), (2, WANTED[1])])
        self.assertEqual([each.cancelled for each in gateway.questions], [0, 0, 0])

    @given(st.lists(st.integers(0, 500), max_size=10), st.binary(max_size=30))
    def test_pieces(self, cuts: list[int], rest: bytes) -> None:
        """However the flight is cut, it is answered the same, and what stands behind is left for the link."""
        gateway = Gateway()
        for piece in cut(FLIGHT + rest, cuts):
            gateway.receive(piece)
        self.established(gateway)
        self.assertEqual((gateway.handshake.buffered, gateway.handshake.rest()), (len(rest), rest))

    @given(st.lists(st.integers(0, 500), max_size=10), st.lists(st.booleans(), max_size=30))
    def test_slowDesk(self, cuts: list[int], order: list[bool]) -> None:
        """Nor does it matter whether an answer or the next bytes come first; one question is asked at a time."""
        gateway = Gateway(atOnce=False)
        pieces = cut(FLIGHT, cuts)
        answered = 0
        for bytesFirst in [*order, *[True, False] * 20]:
            if bytesFirst:
                gateway.receive(next(pieces, b""))
            elif answered < len(gateway.questions):
                gateway.questions[answered].grant()
                answered += 1
            self.assertLessEqual(len(gateway.questions), answered + 1)
        self.established(gateway)

    def test_rest(self) -> None:
        """A whole frame behind the last question is the link's as well, even one that would be a question."""
        for rest in (encodeFrame(Kind.PING, 0, bytes(8)), FINISH, LOGGING_IN, FIRST):
            gateway = Gateway()
            gateway.receive(FLIGHT + rest)
            self.established(gateway)
            self.assertEqual(gateway.handshake.rest(), rest)

    def test_byteByByte(self) -> None:
        """Bytes alone are enough."""
        gateway = Gateway()
        for at in range(len(FLIGHT)):
            self.assertEqual(gateway.ends, 0)
            gateway.receive(FLIGHT[at : at + 1])
        self.established(gateway)

    def test_oneAfterTheOther(self) -> None:
        """An agent that waits for each answer gets it."""
        gateway = Gateway()
        for question in QUESTIONS:
            before = len(gateway.sent)
            gateway.receive(question)
            self.assertGreater(len(gateway.sent), before)
        self.established(gateway)

    def test_unread(self) -> None:
        """While an answer is pending nothing is read: the caller sees how much waits, and can bound it."""
        gateway = Gateway(atOnce=False)
        gateway.receive(FLIGHT)
        self.assertEqual(gateway.handshake.buffered, len(FIRST + SECOND + FINISH))
        self.assertEqual(len(gateway.questions), 1)

    def test_extensions(self) -> None:
        """Frames of extensions that we do not know are skipped between the questions."""
        gateway = Gateway()
        gateway.receive((encodeFrame(64, 9, b"\xff") + encodeFrame(127, 0)).join(QUESTIONS))
        self.established(gateway)

    def test_late(self) -> None:
        """Nothing happens after the end: the bytes that come are the link's."""
        gateway = Gateway()
        gateway.receive(FLIGHT)
        gateway.receive(b"the link's")
        gateway.handshake.timeOut(LATE)
        gateway.handshake.lose(GONE)
        self.established(gateway)
        self.assertEqual(gateway.handshake.rest(), b"the link's")

    def test_most(self) -> None:
        """Sixty-four names are granted."""
        gateway = Gateway()
        frames = [encodeFrame(Kind.REGISTER, n, Register(f"n{n}").encode()) for n in range(1, 65)]
        gateway.receive(b"".join([PREFACE, LOGGING_IN, *frames, FINISH]))
        self.assertEqual((gateway.errors, gateway.established_, len(gateway.questions)), ([], 1, 65))

    def test_flat(self) -> None:
        """A desk that answers at once is not asked from within its own answer, deeper with each name."""
        depths = []
        gateway = Gateway(atOnce=False)

        def answer(question: Question) -> None:
            depths.append(len(inspect.stack(0)))
            question.grant()

        gateway.atOnce, gateway.answer = True, answer  # type: ignore[method-assign]
        names = [encodeFrame(Kind.REGISTER, n, Register(f"n{n}").encode()) for n in range(1, 20)]
        gateway.receive(b"".join([PREFACE, LOGGING_IN, *names]))
        self.assertEqual((len(depths), len(set(depths))), (20, 1))


class RefusedTests(SynchronousTestCase):
    """The desk says no, or the agent breaks the rules."""

    def refusal(self, gateway: Gateway) -> tuple[Frame, Refused]:
        """The Error it ended with: the last thing said, and the desk heard of the end once."""
        self.assertEqual((gateway.established_, len(gateway.errors)), (0, 1))
        said = len(gateway.sent)
        gateway.receive(FLIGHT)
        gateway.handshake.timeOut(LATE)
        gateway.handshake.lose(GONE)
        self.assertEqual((len(gateway.errors), len(gateway.sent)), (1, said), "something happened after the end")
        _, frames = read(bytes(gateway.sent))
        self.assertEqual([frame.kind for frame in frames[:-1]], [Kind.OK] * (len(frames) - 1))
        self.assertEqual(frames[-1].kind, Kind.ERROR)
        return frames[-1], decodeRefusal(frames[-1].payload)

    def broken(self, *data: bytes) -> DiglettError:
        """Check that these break the rules; what the desk heard."""
        gateway = Gateway()
        for piece in data:
            gateway.receive(piece)
        frame, refusal = self.refusal(gateway)
        self.assertIn((frame.id, refusal.permanent), [(0, True)])
        self.assertIsInstance(gateway.errors[0], ProtocolError)
        self.assertEqual(refusal.code, gateway.errors[0].code)  # type: ignore[attr-defined]
        self.assertEqual([each.cancelled for each in gateway.questions], [0] * len(gateway.questions))
        return gateway.errors[0]

    def test_login(self) -> None:
        """A login that is refused is answered as the login; names are not even looked at."""
        for atOnce in (True, False):
            gateway = Gateway(atOnce, strangers=True)
            gateway.receive(FLIGHT)
            if not atOnce:
                gateway.answer(gateway.questions[0])
            frame, refusal = self.refusal(gateway)
            self.assertEqual((frame.id, refusal.code, refusal.permanent), (0, "login-refused", True))
            self.assertEqual(len(gateway.questions), 1)

    def test_name(self) -> None:
        """A name that is refused is answered with its number, and the ones behind are not looked at."""
        for atOnce in (True, False):
            gateway = Gateway(atOnce, taken="other")
            gateway.receive(FLIGHT)
            for at in range(0 if atOnce else 3):
                gateway.answer(gateway.questions[at])
            frame, refusal = self.refusal(gateway)
            self.assertEqual((frame.id, refusal.code, refusal.permanent), (2, "name-taken", False))

    def test_otherVersion(self) -> None:
        """Who speaks another version hears our preface, and that this is the reason."""
        for data in (b"digl\x03", b"digl\x03\x00\x02{}" + FLIGHT, b"digl\x01" + bytes(33)):
            error = self.broken(data)
            self.assertIsInstance(error, VersionMismatch)

    def test_otherProtocol(self) -> None:
        """Who speaks another protocol gets no further."""
        self.broken(b"GET / HTTP/1.1\r\n\r\n")
        self.broken(b"d", b"i", b"g", b"x")

    def test_hello(self) -> None:
        """A hello that is none: the reason can be read, behind our preface."""
        for hello in (b"[]", b'{"window":1}', b"\xff", b'{"features":1}'):
            self.broken(encodePreface(hello))
        self.broken(b"digl\x02\x10\x01")

    def test_order(self) -> None:
        """Questions have an order, and registrations numbers."""
        self.broken(PREFACE, FIRST)
        self.broken(PREFACE, FINISH)
        self.broken(PREFACE, LOGGING_IN, LOGGING_IN)
        for kind in (Kind.OK, Kind.REGISTER, Kind.PAYLOAD):
            self.broken(PREFACE, encodeFrame(kind, 0, LOGIN.encode()))
        self.broken(PREFACE, LOGGING_IN, SECOND)
        self.broken(PREFACE, LOGGING_IN, FIRST, FIRST)
        self.broken(PREFACE, LOGGING_IN, FINISH)
        for number in (0, 2, 64, 65_536 + 1, 2**32 - 1):
            self.broken(PREFACE, LOGGING_IN, encodeFrame(Kind.REGISTER, number, WANTED[0].encode()))

    def test_count(self) -> None:
        """The sixty-fifth name is one too many."""
        names = [encodeFrame(Kind.REGISTER, n, Register(f"n{n}").encode()) for n in range(1, 66)]
        self.broken(b"".join([PREFACE, LOGGING_IN, *names]))

    def test_ids(self) -> None:
        """Login and FinishRegister have id 0, and FinishRegister has no payload."""
        self.broken(PREFACE, encodeFrame(Kind.LOGIN, 1, LOGIN.encode()))
        self.broken(PREFACE, LOGGING_IN, FIRST, encodeFrame(Kind.FINISH_REGISTER, 1))
        self.broken(PREFACE, LOGGING_IN, FIRST, encodeFrame(Kind.FINISH_REGISTER, 0, b"{}"))

    def test_malformed(self) -> None:
        """Payloads that are not what was specified."""
        short, number = b'{"token":"t","agent":"short"}', b'{"token":1,"agent":"%s"}' % (b"a" * 16)
        for login in (b"", b"{}", b"[]", b"\xff", short, number):
            self.broken(PREFACE, encodeFrame(Kind.LOGIN, 0, login))
        for name in (b"[]", b'{"name":1}', b'{"name":"a","type":"udp"}', b'{"name":"a","share":1}'):
            self.broken(PREFACE, LOGGING_IN, encodeFrame(Kind.REGISTER, 1, name))

    def test_large(self) -> None:
        """A payload of more than 8192 bytes is refused before it has come."""
        for before in (1, 2, 3, 4):
            for kind in (Kind.LOGIN, Kind.REGISTER, 64):
                self.broken(*QUESTIONS[:before], encodeFrame(kind, 0, bytes(HANDSHAKE_MAX + 1))[:7])

    def test_otherFrames(self) -> None:
        """Frames that do not belong here, in every state that reads."""
        for before in (1, 2, 3, 4):
            for kind in (0, 1, *range(4, 7), *range(8, 64), *range(128, 256)):
                self.broken(*QUESTIONS[:before], encodeFrame(kind, 0))


class AnyTimeTests(SynchronousTestCase):
    """Every state, whatever comes in it."""

    def states(self) -> Iterator[tuple[str, Gateway]]:
        """A handshake in each of its states."""
        for name, pieces, answers in (
            ("greeting", 0, 0),
            ("awaiting", 1, 0),
            ("checking", 2, 0),
            ("claiming", 2, 1),
            ("reserving", 3, 1),
            ("claiming again", 3, 2),
            ("reserving again", 4, 2),
        ):
            gateway = Gateway(atOnce=False)
            gateway.receive(b"".join(QUESTIONS[:pieces]))
            for at in range(answers):
                gateway.questions[at].grant()
            self.assertEqual(gateway.ends, 0)
            yield name, gateway

    def pending(self, name: str, gateway: Gateway) -> Question | None:
        return gateway.questions[-1] if "ing" in name and name.split()[0] in ("checking", "reserving") else None

    def afterwards(self, name: str, gateway: Gateway) -> None:
        """Check that nothing more happens, whatever comes: bytes, answers, time, loss."""
        said = bytes(gateway.sent)
        question = self.pending(name, gateway)
        if question is not None:
            question.grant()
            question.denied(Refused("too late", code="internal"))
        gateway.receive(FLIGHT + b"\xff" * 50)
        gateway.handshake.timeOut(LATE)
        gateway.handshake.lose(GONE)
        self.assertEqual((gateway.ends, gateway.sent), (1, said), name)
        self.assertEqual(sum(each.cancelled for each in gateway.questions), int(question is not None), name)

    def test_lost(self) -> None:
        """The agent may leave in every state: nothing is said, what is pending is cancelled."""
        for name, gateway in self.states():
            said = bytes(gateway.sent)
            gateway.handshake.lose(GONE)
            self.assertEqual((gateway.errors, gateway.sent), ([GONE], said), name)
            self.afterwards(name, gateway)

    def test_timedOut(self) -> None:
        """Time may be over in every state: the agent is told, behind the preface, and what is pending is cancelled."""
        for name, gateway in self.states():
            gateway.handshake.timeOut(LATE)
            self.assertEqual(gateway.errors, [LATE], name)
            _, frames = read(bytes(gateway.sent))
            self.assertEqual((frames[-1].kind, decodeRefusal(frames[-1].payload).code), (Kind.ERROR, "timeout"), name)
            self.afterwards(name, gateway)

    def test_answerWhileCancelled(self) -> None:
        """A desk that answers when it is cancelled is too late."""
        for end in ("lose", "timeOut"):
            for name, gateway in self.states():
                question = self.pending(name, gateway)
                if question is None:
                    continue
                question.onCancel = lambda q=question: q.denied(Refused("cancelled"))  # type: ignore[misc]
                getattr(gateway.handshake, end)(LATE)
                self.assertEqual(gateway.errors, [LATE])
                self.afterwards(name, gateway)

    def test_lostWhileAnswering(self) -> None:
        """The connection may break under any answer that is sent: what stands behind is not read."""
        for at in range(4):
            gateway = Gateway()
            answers = iter(range(10))

            def send(data: bytes, answers: Iterator[int] = answers, at: int = at, gateway: Gateway = gateway) -> None:
                if next(answers) == at:
                    gateway.handshake.lose(GONE)

            gateway.handshake = GatewayHandshake(send, GATEWAY_HELLO, TERMS, gateway)
            gateway.receive(FLIGHT + FLIGHT)
            self.assertEqual((gateway.errors, len(gateway.questions)), ([GONE], at))

    def test_goodbye(self) -> None:
        """Bytes while an answer is pending wait for it, even those that will break the rules."""
        gateway = Gateway(atOnce=False)
        gateway.receive(PREFACE + LOGGING_IN + b"\xff" * 50)
        self.assertEqual(gateway.ends, 0)
        gateway.questions[0].grant()
        self.assertIsInstance(gateway.errors[0], ProtocolError)
        self.assertEqual(gateway.questions[0].cancelled, 0)

    @given(st.integers(0, len(FLIGHT)), st.binary(max_size=60), st.booleans())
    def test_garbage(self, size: int, garbage: bytes, atOnce: bool) -> None:
        """Garbage at any time is an error or waits, never an exception, and ends it at most once."""
        gateway = Gateway(atOnce)
        gateway.receive(FLIGHT[:size])
        gateway.receive(garbage)
        gateway.receive(garbage)
        gateway.handshake.timeOut(LATE)
        gateway.handshake.lose(GONE)
        self.assertEqual(gateway.ends, 1)

    @given(
        st.lists(
            st.sampled_from([*QUESTIONS[1:], "grant", "deny", "lose", "timeOut"])
            | st.builds(encodeFrame, st.integers(0, 70), st.integers(0, 3), st.binary(max_size=9)),
            max_size=14,
        )
    )
    def test_everything(self, inputs: list[bytes | str]) -> None:
        """So do frames of any kind in any order, answers of the desk, loss and time amid them."""
        gateway = Gateway(atOnce=False)
        gateway.receive(PREFACE)
        answered = 0
        for what in inputs:
            if isinstance(what, bytes):
                gateway.receive(what)
            elif what in ("grant", "deny"):
                if answered < len(gateway.questions):
                    question = gateway.questions[answered]
                    question.grant() if what == "grant" else question.denied(Refused("no"))
                    answered += 1
            else:
                getattr(gateway.handshake, what)(LATE)
            self.assertLessEqual(gateway.ends, 1)
            if gateway.established_:
                self.assertEqual({each.cancelled for each in gateway.questions}, {0})
        gateway.handshake.lose(GONE)
        self.assertEqual(gateway.ends, 1)
        for each in gateway.questions[answered:]:
            self.assertEqual(each.cancelled, 1, "a plugin still works for somebody who has left")
