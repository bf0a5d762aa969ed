"""Frames and the codes in them: `docs/wire.md`, sections 3 and 6."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.wire.frames import (
    ALPN,
    CONTROL_MAX,
    EXTENSIONS,
    FRAME_MAX,
    HEADER_SIZE,
    MAGIC,
    PAYLOAD_MAX,
    VERSION,
    Kind,
    Reason,
    Way,
    decodeClose,
    encodeClose,
    encodeFrame,
)


class NumberTests(SynchronousTestCase):
    """Numbers that other implementations rely on: changing one is another protocol."""

    def test_preface(self) -> None:
        """Magic, version and ALPN are those of the specification."""
        self.assertEqual((MAGIC.hex(), VERSION, ALPN), ("6469676c", 2, b"diglett/2"))

    def test_sizes(self) -> None:
        """A frame has at most 64 KiB with its header, four TLS records."""
        self.assertEqual((HEADER_SIZE, FRAME_MAX, PAYLOAD_MAX), (7, 65_536, 65_529))

    def test_kinds(self) -> None:
        """The table of kinds, in its order."""
        names = "OK ERROR REGISTER FINISH_REGISTER PAYLOAD CLOSE TERMINATE LOGIN OPEN FINISH WINDOW PING PONG DRAIN"
        self.assertEqual([kind.name for kind in Kind], names.split())
        self.assertEqual([int(kind) for kind in Kind], list(range(14)))
        self.assertEqual((EXTENSIONS[0], EXTENSIONS[-1]), (64, 127))

    def test_reasons(self) -> None:
        """The table of what Close says, in its order; what is never sent stands outside of two bytes' use."""
        names = (
            "NONE INTERNAL REFUSED BACKEND_UNREACHABLE BACKEND_TIMEOUT BACKEND_TLS RESET PROTOCOL CREDIT BUFFER IDLE"
        )
        said = [reason for reason in Reason if reason >= 0]
        self.assertEqual([reason.name for reason in said], names.split())
        self.assertEqual([int(reason) for reason in said], list(range(11)))

    def test_ways(self) -> None:
        """How a visitor came in."""
        self.assertEqual([(way.name, int(way)) for way in Way], [("PORT", 0), ("HTTP", 1), ("HTTPS", 2), ("TLS", 3)])


class FrameTests(SynchronousTestCase):
    """`encodeFrame`."""

    def test_layout(self) -> None:
        """Kind, id, size, payload; big-endian."""
        self.assertEqual(encodeFrame(4, 0x01020304, b"abc").hex(), "04" "01020304" "0003" "616263")

    def test_largest(self) -> None:
        """The largest payload still has a header."""
        self.assertEqual(len(encodeFrame(Kind.PAYLOAD, 1, bytes(PAYLOAD_MAX))), FRAME_MAX)


class CloseTests(SynchronousTestCase):
    """`encodeClose` and `decodeClose`."""

    def payload(self, reason: int, text: str) -> bytes:
        return encodeClose(1, reason, text)[HEADER_SIZE:]

    def test_nothingToSay(self) -> None:
        """No reason and no text is no payload."""
        self.assertEqual(encodeClose(5, 0).hex(), "05" "00000005" "0000")

    def test_layout(self) -> None:
        """The code has two bytes, the text follows."""
        self.assertEqual(encodeClose(5, Reason.RESET, "é").hex(), "05" "00000005" "0004" "0006" "c3a9")

    @given(st.sampled_from([reason for reason in Reason if reason >= 0]), st.text(max_size=2_000))
    def test_both(self, reason: Reason, text: str) -> None:
        """What is said is heard, up to its limit and where it can be printed."""
        heard, said = decodeClose(self.payload(reason, text))
        self.assertEqual(heard, reason)
        self.assertTrue("".join(c for c in text if c.isprintable()).startswith(said))
        if len(text.encode()) <= 1_024:
            self.assertEqual(said, "".join(c for c in text if c.isprintable()))

    @given(st.text("aé€😀", min_size=250, max_size=1_100))
    def test_cut(self, text: str) -> None:
        """A text that is too long is cut between two characters, never inside of one."""
        payload = self.payload(Reason.RESET, text)
        self.assertLessEqual(len(payload), CONTROL_MAX)
        self.assertTrue(text.startswith(payload[2:].decode("utf-8")))
        self.assertGreater(len(payload), min(CONTROL_MAX, 2 + len(text.encode())) - 4)

    def test_surrogates(self) -> None:
        """A path that is no Unicode does not break the frame that tells of it."""
        self.payload(Reason.BACKEND_UNREACHABLE, "unix:/\udcff").decode("utf-8")

    def test_unknown(self) -> None:
        """A code that we do not know says as much as none, and its text is kept."""
        self.assertEqual(decodeClose(b"\x00\x0bwhy"), (Reason.NONE, "why"))

    def test_neverOnTheWire(self) -> None:
        """Nobody can say in a Close that the link is lost, and no code is heard as that."""
        self.assertRaises(OverflowError, encodeClose, 1, Reason.LOST)
        self.assertNotIn(Reason.LOST, {decodeClose(code.to_bytes(2, "big"))[0] for code in range(65_536)})

    def test_printable(self) -> None:
        """A text is fit for a log and a terminal: control characters are dropped."""
        self.assertEqual(decodeClose(b"\0\1a\x1b[31m\r\nb\xff"), (Reason.INTERNAL, "a[31mb\N{REPLACEMENT CHARACTER}"))

    @given(st.binary(max_size=CONTROL_MAX))
    def test_anything(self, payload: bytes) -> None:
        """Whatever the bytes are, they mean some reason and some text."""
        reason, text = decodeClose(payload)
        self.assertIsInstance(reason, Reason)
        self.assertTrue(text.isprintable())
