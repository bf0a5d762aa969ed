"""The same bytes in pieces that depend on nothing but the bytes."""

from __future__ import annotations

from zlib import crc32


def pieces(data: bytes) -> list[bytes]:
    """Cut them: one by one, in two, in equal parts, or in parts of all sizes."""
    chance = crc32(data)
    way, chance = chance % 4, chance // 4
    size = len(data)
    if way == 0:
        step = 1 if size <= 400 else 7
        return [data[at : at + step] for at in range(0, size, step)]
    if way == 1:
        at = chance % (size + 1)
        return [data[:at], data[at:]]
    if way == 2:
        step = 1 + chance % 50
        return [data[at : at + step] for at in range(0, size, step)]
    parts = []
    at = 0
    while at < size:
        chance = (chance * 1_103_515_245 + 12_345) % 2**31
        step = 1 + (chance >> 16) % (4 << (chance >> 8) % 8)
        parts.append(data[at : at + step])
        at += step
    return parts
