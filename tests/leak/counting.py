"""What a process holds, and what has become more of it."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.base import DelayedCall

SLACK = 100
"""So many more objects of one type may be chance: caches that fill, queues of the reactor's own."""


@frozen
class Snapshot:
    """Everything that could leak, at one moment."""

    resident: int
    """Bytes of memory, as the kernel counts them."""
    blocks: int
    """What Python's allocator has given out, pieces; objects that the collector does not know are in it."""
    descriptors: int
    timers: int
    types: Counter[str]
    """Objects that the collector knows, by type."""

    @classmethod
    def take(cls, reactor: Any) -> Snapshot:
        """Look; garbage is collected before.

        Cancelled timers do not count, nor the two methods that each of them has: Twisted forgets them when they are
        more than half of all.
        """
        for _ in range(3):
            gc.collect()
        objects = gc.get_objects()
        types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
        cancelled = sum(1 for each in objects if type(each) is DelayedCall and each.cancelled)
        types[f"{DelayedCall.__module__}.{DelayedCall.__qualname__}"] -= cancelled
        types["builtins.method"] -= 2 * cancelled
        return cls(
            resident=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            blocks=sys.getallocatedblocks(),
            descriptors=len(os.listdir("/proc/self/fd")),
            timers=len(reactor.getDelayedCalls()),
            types=types,
        )

    def grown(self, before: Snapshot, slack: int) -> dict[str, int]:
        """The types of which there are more than `slack` more, and how many."""
        more = {name: count - before.types[name] for name, count in self.types.items()}
        return {name: count for name, count in sorted(more.items(), key=lambda each: -each[1]) if count > slack}

    def row(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "resident MiB": round(self.resident / 1_048_576, 1),
            "allocated blocks": self.blocks,
            "objects": sum(self.types.values()),
            "descriptors": self.descriptors,
            "timers": self.timers,
        }


def verdict(before: Snapshot, after: Snapshot, rounds: int) -> list[str]:
    """What is wrong: figures that are larger than they were, beyond chance. `rounds` is how much was done between."""
    slack = max(SLACK, min(rounds // 12, 2_000))
    wrong = [f"{count} more of {name}" for name, count in after.grown(before, slack).items()]
    if after.descriptors > before.descriptors:
        wrong.append(f"{after.descriptors - before.descriptors} more descriptors")
    if after.timers > before.timers + 2:  # those of the house that come and go
        wrong.append(f"{after.timers - before.timers} more timers")
    blocks = after.blocks - before.blocks
    if blocks > 5_000 + rounds // 20:
        wrong.append(f"{blocks} more allocated blocks")
    resident = after.resident - before.resident
    if resident > 8 * 1_048_576 + 20 * rounds:
        wrong.append(f"{resident / 1_048_576:.1f} MiB more memory")
    return wrong
