"""The JSON of the handshake: `docs/wire.md`, sections 2, 4 and 9. Every reader checks types and sizes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, Refused, VersionMismatch
from diglett.wire.frames import HANDSHAKE_MAX
from diglett.wire.messages import (
    Established,
    Hello,
    Login,
    Register,
    Registered,
    checkRegistrations,
    decodeJson,
    decodeRefusal,
    encodeJson,
    encodeRefusal,
)

READERS = (Hello.decode, Login.decode, Register.decode, Registered.decode, Established.decode, decodeRefusal)
AGENT = "a" * 16
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs", "Co", "Cn")), max_size=100)
KEYS = ("software window streams features token agent name type share urls keepalive timeout code message permanent")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=6),
    max_leaves=12,
)


def dump(**value: Any) -> bytes:
    return json.dumps(value).encode()


class AnythingTests(SynchronousTestCase):
    """What may come from a peer that nobody knows yet."""

    def hear(self, payload: bytes) -> None:
        """Read this as everything it could be; what can be read can be written, and is the same then."""
        for reader in READERS:
            try:
                heard = reader(payload)
            except ProtocolError as error:
                encodeRefusal(error)
                continue
            if isinstance(heard, Refused):
                again = decodeRefusal(encodeRefusal(heard))
                self.assertEqual((again.code, again.permanent), (heard.code, heard.permanent))
            else:
                self.assertEqual(reader(heard.encode()), heard)

    @given(st.binary(max_size=100))
    def test_bytes(self, payload: bytes) -> None:
        """No bytes make a reader raise anything but a protocol error."""
        self.hear(payload)

    @given(JSON)
    def test_json(self, value: Any) -> None:
        """No JSON does."""
        self.hear(json.dumps(value).encode())

    @given(st.dictionaries(st.sampled_from(KEYS.split()), JSON, max_size=10))
    def test_object(self, value: dict[str, Any]) -> None:
        """No object with the right keys and any values does."""
        self.hear(json.dumps(value).encode())

    def test_deep(self) -> None:
        """Nor does nesting as deep as a payload can hold, or a number as long."""
        for payload in (b"[" * 65_529, b'{"a":' * 13_000, b'{"window":' + b"9" * 8_000 + b"}", b'{"window":1e999}'):
            self.hear(payload)

    def test_encoding(self) -> None:
        """JSON is UTF-8 here, nothing else."""
        self.assertEqual(decodeJson('{"é":1}'.encode()), {"é": 1})
        for payload in (
            '{"a":1}'.encode("utf-16"),
            '{"a":1}'.encode("utf-16-le"),
            '{"a":1}'.encode("utf-32"),
            b"\xef\xbb\xbf{}",
            b'{"a":"\xed\xa0\x80"}',
            b'{"a":"\xff"}',
        ):
            self.assertRaises(ProtocolError, decodeJson, payload)

    def test_noObject(self) -> None:
        """Only an object is one; nothing at all is an empty one."""
        self.assertEqual((decodeJson(b""), decodeJson(b" {} ")), ({}, {}))
        for payload in (b"[]", b"1", b'"a"', b"null", b"{}{}", b"{", b" "):
            self.assertRaises(ProtocolError, decodeJson, payload)

    def test_surrogates(self) -> None:
        """A text that no UTF-8 can say is refused where it would be used."""
        for reader, key in ((Hello.decode, "software"), (Register.decode, "name"), (Registered.decode, "name")):
            self.assertRaises(ProtocolError, reader, b'{"%s":"\\ud800"}' % key.encode())
        self.assertRaises(ProtocolError, Login.decode, dump(agent="\ud800" * 16))
        self.assertRaises(ProtocolError, Login.decode, dump(agent=AGENT, token="\ud800"))

    def test_compact(self) -> None:
        """What we send has no needless byte, and says other letters than ASCII as they are."""
        self.assertEqual(encodeJson({"a": [1, "é"]}), '{"a":[1,"é"]}'.encode())

    def test_wild(self) -> None:
        """A text of a plugin's that is no Unicode can be said, somehow."""
        self.assertEqual(encodeJson({"a": "\udcff"}), b'{"a":"?"}')


class HelloTests(SynchronousTestCase):
    """What each side says of itself."""

    @given(
        st.builds(
            Hello,
            software=TEXTS,
            window=st.integers(16_384, 16_777_216),
            streams=st.integers(0, 2**31),
            features=st.lists(TEXTS, max_size=32).map(tuple),
        )
    )
    def test_both(self, hello: Hello) -> None:
        """What is written is read."""
        self.assertEqual(Hello.decode(hello.encode()), hello)

    def test_absent(self) -> None:
        """Keys that are absent have the values of the specification, unknown ones are ignored."""
        self.assertEqual(Hello.decode(b'{"new":1}'), Hello("", 262_144, 0, ()))

    def test_limits(self) -> None:
        """The limits are those of the specification, and both ends belong."""
        for good in (dump(window=16_384), dump(window=16_777_216), dump(software="x" * 100), dump(features=["x"] * 32)):
            Hello.decode(good)
        for bad in (
            dump(window=16_383),
            dump(window=16_777_217),
            dump(window=262_144.0),
            dump(window=True),
            dump(window="262144"),
            dump(window=None),
            dump(streams=-1),
            dump(streams=2**31 + 1),
            dump(software="x" * 101),
            dump(software=1),
            dump(features=["x"] * 33),
            dump(features="x"),
            dump(features=[1]),
            dump(features=["x" * 1_025]),
        ):
            self.assertRaises(ProtocolError, Hello.decode, bad)

    def test_printable(self) -> None:
        """The software's name goes into logs, so it has nothing there that is not seen."""
        self.assertEqual(Hello.decode(dump(software="evil\x1b[2J\n1.0")).software, "evil[2J1.0")


class LoginTests(SynchronousTestCase):
    """Who the agent is."""

    @given(TEXTS, st.text("abc0-", min_size=16, max_size=64))
    def test_both(self, token: str, agent: str) -> None:
        """What is written is read."""
        self.assertEqual(Login.decode(Login(token, agent).encode()), Login(token, agent))

    def test_secret(self) -> None:
        """The token is not shown by accident."""
        self.assertNotIn("hush", repr(Login("hush", AGENT)))

    def test_noToken(self) -> None:
        """No token is an empty one: a client certificate may speak for the agent."""
        self.assertEqual(Login.decode(dump(agent=AGENT)).token, "")

    def test_limits(self) -> None:
        """The agent's identity has 16 to 64 characters, a token at most 4096."""
        for good in (dump(agent="a" * 64), dump(agent=AGENT, token="t" * 4_096)):
            Login.decode(good)
        for bad in (
            b"",
            dump(token="t"),
            dump(agent="a" * 15),
            dump(agent="a" * 65),
            dump(agent=["a"] * 16),
            dump(agent=AGENT, token="t" * 4_097),
            dump(agent=AGENT, token=None),
        ):
            self.assertRaises(ProtocolError, Login.decode, bad)


class RegisterTests(SynchronousTestCase):
    """A name, and the answer."""

    @given(TEXTS, st.sampled_from(["http", "tls", "tcp"]), st.booleans())
    def test_both(self, name: str, type: str, share: bool) -> None:
        """What is written is read."""
        register = Register(name, type, share)
        self.assertEqual(Register.decode(register.encode()), register)

    def test_absent(self) -> None:
        """A name alone is an HTTP tunnel that is not shared."""
        self.assertEqual(Register.decode(dump(name="a")), Register("a", "http", False))

    def test_limits(self) -> None:
        """Types are known ones, and sharing is true or false."""
        for bad in (
            dump(name="a", type="udp"),
            dump(name="a", type=None),
            dump(name="a", share=1),
            dump(name="a", share="false"),
            dump(name="x" * 1_025),
            dump(name=["a"]),
        ):
            self.assertRaises(ProtocolError, Register.decode, bad)

    @given(TEXTS, st.lists(TEXTS, max_size=64).map(tuple))
    def test_answer(self, name: str, urls: tuple[str, ...]) -> None:
        """What the gateway answers is read, URLs in their order."""
        self.assertEqual(Registered.decode(Registered(name, urls).encode()), Registered(name, urls))

    def test_answerPrintable(self) -> None:
        """URLs are shown to people, so they have nothing that is not seen."""
        heard = Registered.decode(dump(name="a\x1b[1m", urls=["https://a\r\n/\x07"]))
        self.assertEqual(heard, Registered("a[1m", ("https://a/",)))

    def test_count(self) -> None:
        """An agent has 1 to 64 names."""
        checkRegistrations([Register("a")] * 64)
        for count in (0, 65):
            self.assertRaises(ValueError, checkRegistrations, [Register("a")] * count)


class EstablishedTests(SynchronousTestCase):
    """The terms of silence."""

    @given(st.integers(1, 3_600), st.integers(1, 3_600))
    def test_both(self, keepalive: int, more: int) -> None:
        """What is written is read."""
        terms = Established(keepalive, keepalive + more)
        self.assertEqual(Established.decode(terms.encode()), terms)

    def test_limits(self) -> None:
        """They are whole seconds, of at most an hour until a ping and two until the link is dead."""
        self.assertEqual(Established.decode(b""), Established(10, 30))
        for bad in (
            dump(keepalive=0),
            dump(keepalive=3_601, timeout=7_200),
            dump(timeout=1, keepalive=1),
            dump(timeout=7_201),
            dump(keepalive=1.5),
            dump(keepalive=-10),
        ):
            self.assertRaises(ProtocolError, Established.decode, bad)

    def test_silence(self) -> None:
        """A link that would be dead before anybody asked is refused."""
        for bad in (dump(keepalive=30, timeout=30), dump(keepalive=60), dump(timeout=9)):
            self.assertRaises(ProtocolError, Established.decode, bad)


class RefusalTests(SynchronousTestCase):
    """The payload of Error."""

    def test_layout(self) -> None:
        """Code, message, and whether asking again can help."""
        refusal = Refused("somebody else has it", code="name-taken", permanent=False)
        self.assertEqual(
            json.loads(encodeRefusal(refusal)),
            {"code": "name-taken", "message": "somebody else has it", "permanent": False},
        )

    def test_protocol(self) -> None:
        """Breaking the rules is permanent."""
        for error, code in ((ProtocolError("bad"), "protocol"), (VersionMismatch(3), "version")):
            heard = decodeRefusal(encodeRefusal(error))
            self.assertEqual((heard.code, heard.permanent, str(heard)), (code, True, str(error)))

    def test_absent(self) -> None:
        """An Error that says nothing is an internal one, to be tried again."""
        heard = decodeRefusal(b"")
        self.assertEqual((heard.code, heard.permanent, str(heard)), ("internal", False, "internal"))

    def test_unknownCode(self) -> None:
        """A code that we do not know is judged by `permanent`."""
        for permanent in (True, False):
            heard = decodeRefusal(dump(code="on-fire", message="run", permanent=permanent, retry=5))
            self.assertEqual((heard.code, heard.permanent, str(heard)), ("on-fire", permanent, "run"))

    def test_printable(self) -> None:
        """Neither the message nor the code can play with a terminal."""
        heard = decodeRefusal(dump(code="a\x1b[2Jb", message="one\r\ntwo\x07"))
        self.assertEqual((heard.code, str(heard)), ("a[2Jb", "onetwo"))
        self.assertEqual(str(decodeRefusal(dump(code="\x1b[2J"))), "[2J")

    def test_limits(self) -> None:
        """What is no text, too long or no flag is a protocol error."""
        for bad in (dump(message="x" * 1_025), dump(code="x" * 65), dump(message=1), dump(permanent="yes")):
            self.assertRaises(ProtocolError, decodeRefusal, bad)

    @given(st.text())
    def test_fits(self, text: str) -> None:
        """Whatever a plugin says fits into a handshake's frame and is read."""
        payload = encodeRefusal(Refused(text * 500, code="internal"))
        self.assertLessEqual(len(payload), HANDSHAKE_MAX)
        decodeRefusal(payload)

    def test_wildText(self) -> None:
        """The longest message of the worst characters fits, too."""
        for character in ("\0", "\udcff", "\N{GRINNING FACE}", '"'):
            self.assertLessEqual(len(encodeRefusal(Refused(character * 5_000))), HANDSHAKE_MAX)
