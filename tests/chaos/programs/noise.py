"""Bytes whose order is told by their checksum: what a download must give and an upload must count."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator

BLOCK = 65_536
_noise = random.Random(5).randbytes(BLOCK - 8)


def blocks(size: int, seed: int) -> Iterator[bytes]:
    """So many bytes; no two blocks of any two seeds are alike."""
    for number in range((size + BLOCK - 1) // BLOCK):
        yield (struct.pack(">II", seed, number) + _noise)[: size - number * BLOCK]


def checksum(size: int, seed: int) -> str:
    """The SHA-256 of `blocks`."""
    digest = hashlib.sha256()
    for block in blocks(size, seed):
        digest.update(block)
    return digest.hexdigest()
