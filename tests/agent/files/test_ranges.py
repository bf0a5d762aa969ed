"""Tests of `diglett.agent.files.ranges`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.files.ranges import chooseRange, isUnchanged


class RangeTests(SynchronousTestCase):
    """The part of a file that was asked for."""

    def test_parts(self) -> None:
        """From the start, from the middle, and from the end, as far as there is something."""
        for value, expected in {
            None: (0, 10), b"": (0, 10), b"bytes=0-": (0, 10), b"bytes=0-0": (0, 1), b"bytes=2-4": (2, 3),
            b"bytes=9-": (9, 1), b"bytes=5-999": (5, 5), b"bytes=-3": (7, 3), b"bytes=-10": (0, 10),
            b"bytes=-999": (0, 10), b"bytes= 1-2 ": (1, 2),
        }.items():  # fmt: skip
            self.assertEqual(chooseRange(10, value), expected, value)

    def test_nothing(self) -> None:
        """Where nothing is, there is nothing to send."""
        for value in (b"bytes=10-", b"bytes=10-20", b"bytes=999999999999999999-", b"bytes=-0"):
            self.assertIsNone(chooseRange(10, value), value)
        self.assertIsNone(chooseRange(0, b"bytes=0-"))
        self.assertIsNone(chooseRange(0, b"bytes=-1"))

    def test_ignored(self) -> None:
        """What is malformed or asks for several parts gets the whole file."""
        for value in (
            b"bytes", b"bytes=", b"bytes=-", b"bytes=4-2", b"bytes=a-b", b"bytes=0x1-2", b"bytes=+1-2", b"items=0-1",
            b"bytes=0-1,3-4", b"bytes=0-," * 1_000, b"bytes=1-2-3", b"bytes=" + b"9" * 19 + b"-",
        ):  # fmt: skip
            self.assertEqual(chooseRange(10, value), (0, 10), value)

    @given(st.integers(0, 50), st.one_of(st.binary(max_size=12).map(lambda b: b"bytes=" + b), st.binary(max_size=20)))
    def test_inside(self, size: int, value: bytes) -> None:
        """Whatever is asked for, what is sent is in the file, and something."""
        chosen = chooseRange(size, value)
        if chosen is not None and chosen != (0, size):
            start, length = chosen
            self.assertTrue(0 <= start < start + length <= size)


class UnchangedTests(SynchronousTestCase):
    """Whether the asker has it already."""

    def test_tag(self) -> None:
        """By tag: one of a list, weak or strong, or any."""
        for value in (b'"a"', b'W/"a"', b'"x", "a"', b'"x",W/"a" ,"y"', b"*"):
            self.assertTrue(isUnchanged(b'"a"', 5, value, None), value)
        for value in (b"", b'"x"', b"a", b'"a', b'"x" "a"'):
            self.assertFalse(isUnchanged(b'"a"', 5, value, None), value)

    def test_time(self) -> None:
        """By time, when no tag is given: a tag that differs wins over it."""
        self.assertTrue(isUnchanged(b'"a"', 5, None, 5))
        self.assertTrue(isUnchanged(b'"a"', 5, None, 6))
        self.assertFalse(isUnchanged(b'"a"', 5, None, 4))
        self.assertFalse(isUnchanged(b'"a"', 5, None, None))
        self.assertFalse(isUnchanged(b'"a"', 5, b'"x"', 6))
