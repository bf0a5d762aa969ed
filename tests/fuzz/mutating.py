"""Inputs without atheris: seeds, and what becomes of them when bytes are changed, lost, doubled and mixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

TELLING = (0, 1, 5, 10, 13, 32, 48, 58, 127, 128, 255)
"""Bytes that mean something to many readers."""


def inputs(seeds: Sequence[bytes], count: int, chance: int = 0) -> Iterator[bytes]:
    """First the seeds, then mutations of them, so many in all; the same ones for the same `chance`."""
    random = Random(chance)
    for number in range(count):
        if number < len(seeds):
            yield seeds[number]
            continue
        data = bytearray(random.choice(seeds))
        for _ in range(random.randrange(1, 6)):
            _change(data, random, seeds)
        yield bytes(data)


def _change(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    way = random.randrange(6)
    if way == 0 and at < len(data):
        data[at] = random.randrange(256)
    elif way == 1 and at < len(data):
        data[at] = random.choice(TELLING)
    elif way == 2:
        del data[at : at + random.randrange(1, 9)]
    elif way == 3:
        data[at:at] = random.randbytes(random.randrange(1, 5))
    elif way == 4:
        data[at:at] = data[at : at + random.randrange(1, 60)]
    else:
        other = random.choice(seeds)
        start = random.randrange(len(other) + 1)
        data[at:at] = other[start : start + random.randrange(1, 60)]
