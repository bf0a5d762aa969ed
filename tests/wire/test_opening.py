"""What Open tells of a new stream: `docs/wire.md`, section 5."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError
from diglett.wire.frames import Way
from diglett.wire.opening import Opening

ADDRESSES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


class OpeningTests(SynchronousTestCase):
    """`Opening`."""

    def test_layout(self) -> None:
        """Registration, way, the visitor's address, a zero byte, the front's address."""
        opening = Opening(0x0102, Way.HTTPS, "203.0.113.5 4711", "2001:db8::1 443")
        self.assertEqual(opening.encode(), b"\x01\x02" b"\x02" b"203.0.113.5 4711" b"\0" b"2001:db8::1 443")

    @given(st.builds(Opening, st.integers(0, 65_535), st.integers(0, 255), ADDRESSES, ADDRESSES))
    def test_both(self, opening: Opening) -> None:
        """What is written is read."""
        self.assertEqual(Opening.decode(opening.encode()), opening)

    def test_empty(self) -> None:
        """Both addresses may be unknown."""
        self.assertEqual(Opening.decode(b"\0\1\0\0"), Opening(1))

    def test_unknownWay(self) -> None:
        """A way that we do not know is no reason to turn a visitor away."""
        self.assertEqual(Opening.decode(b"\0\1\x63\0").way, 99)

    def test_malformed(self) -> None:
        """Without its fixed part, its zero byte or its UTF-8 it is none."""
        for payload in (b"", b"\0", b"\0\0\0", b"\0\1\0visitor", b"\0\1\0\xff\0", b"\0\1\0\0\xff"):
            self.assertRaises(ProtocolError, Opening.decode, payload)

    @given(st.binary(max_size=60))
    def test_anything(self, payload: bytes) -> None:
        """Garbage is a protocol error, never anything else; what is not garbage encodes to itself."""
        try:
            opening = Opening.decode(payload)
        except ProtocolError:
            return
        self.assertEqual(opening.encode(), payload)
