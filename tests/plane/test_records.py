"""Where TLS records end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane.records import Records


def record(length: int) -> bytes:
    """One of this length, whose content looks like a header."""
    return b"\x17\x03\x03" + length.to_bytes(2, "big") + b"\x17" * length


class RecordsTests(SynchronousTestCase):
    """What has come is whole exactly when it ends with a record."""

    @given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.data())
    def test_anyChunks(self, lengths: list[int], data: st.DataObject) -> None:
        """However the bytes are cut, each chunk tells how many records end in it, or nothing when one is left over."""
        stream = b"".join(map(record, lengths))
        ends = {sum(5 + length for length in lengths[: count + 1]) for count in range(len(lengths))}
        records = Records()
        at = 0
        while at < len(stream):
            size = data.draw(st.integers(1, len(stream) - at))
            chunk = memoryview(bytearray(stream[at : at + size] + b"\xff" * 9))  # what is behind does not count
            told = records.whole(chunk, size)
            ended = sum(at < end <= at + size for end in ends)
            at += size
            self.assertEqual(told, ended if at in ends else 0)
