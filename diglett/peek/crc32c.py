"""CRC-32C (Castagnoli), for the optional checksum of a PROXY header: at most 4 kB, once per connection."""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes) -> int:
    """The checksum of `data`."""
    table = _table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table
