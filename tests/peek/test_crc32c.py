"""Tests of `diglett.peek.crc32c`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.crc32c import crc32c


class Crc32cTests(SynchronousTestCase):
    """The checksum is the one that iSCSI defines."""

    def test_known(self) -> None:
        """The examples of RFC 3720, appendix B.4, and the usual check value come out."""
        for data, checksum in {
            b"": 0,
            b"123456789": 0xE3069283,
            bytes(32): 0x8A9136AA,
            b"\xff" * 32: 0x62A8AB43,
            bytes(range(32)): 0x46DD794E,
            bytes(range(31, -1, -1)): 0x113FDB5C,
        }.items():
            self.assertEqual(crc32c(data), checksum)
