"""What version 1 says in words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import LoginRefused, ProtocolError, Refused
from diglett.wire.frames import HEADER_SIZE, Kind
from diglett.wire.v1.words import SILENT_HELLO, decodeError, encodeError, textOf
from tests.wire.playing import parse


class WordsTests(SynchronousTestCase):
    """`textOf`, `encodeError` and `decodeError`."""

    def test_both(self) -> None:
        """What our gateway refuses for good our agent does not try again, and nothing else."""
        for error, code, permanent in (
            (LoginRefused("no"), "login-refused", True),
            (LoginRefused("later", code="login-throttled", permanent=False), "refused", False),
            (Refused("no", code="name-not-allowed", permanent=True), "name-not-allowed", True),
            (Refused("no", code="name-invalid", permanent=True), "name-not-allowed", True),
            (Refused("taken", code="name-taken"), "refused", False),
            (ProtocolError("received unexpected message"), "protocol", True),
        ):
            heard = decodeError(encodeError(textOf(error))[HEADER_SIZE:])
            self.assertEqual((heard.code, heard.permanent), (code, permanent), error)

    @given(st.text())
    def test_anyText(self, text: str) -> None:
        """Any text makes a frame that is small enough, and what is read of it can be printed."""
        ((kind, id, payload),) = parse(encodeError(text * 50))
        self.assertEqual((kind, id), (Kind.ERROR, 0))
        self.assertLessEqual(len(payload), 4 * 1_024)
        self.assertTrue(str(decodeError(payload)).isprintable())

    @given(st.binary(max_size=100))
    def test_anyBytes(self, payload: bytes) -> None:
        """Whatever an Error holds is an error with a text."""
        self.assertTrue(str(decodeError(payload)))

    def test_hello(self) -> None:
        """A peer of version 1 counts as one that takes streams, and any number of bytes."""
        self.assertEqual((SILENT_HELLO.streams, SILENT_HELLO.window > 2**60), (10_000, True))
