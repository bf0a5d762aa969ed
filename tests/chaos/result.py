"""What a cell has measured, as values that can be written down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import field, frozen

TRANSFERS = ("down", "up")
BROKEN = ("reset", "cut", "hung")


@frozen
class Visit:
    """One request: what a visitor noted. Times are seconds since the fault began."""

    kind: str
    began: float
    ended: float
    result: str
    flaw: str = ""


@frozen
class Result:
    """One cell. Times are seconds since the fault began; None: it did not happen."""

    fault: str
    load: str
    agentNoticed: float | None
    gatewayNoticed: float | None
    mended: float
    """When the cause was over."""
    back: float | None
    """When the first request was answered well that had begun after that."""
    visits: Sequence[Visit] = field(repr=False)
    before: tuple[float, float] = (0.0, 0.0)
    """MiB of gateway and agent before the load."""
    after: tuple[float, float] = (0.0, 0.0)
    wrong: tuple[str, ...] = ()
    """Trouble of the programs themselves."""

    @property
    def seen(self) -> Counter[str]:
        """How requests ended that were not over when the fault began."""
        return Counter(visit.result for visit in self.visits if visit.ended > 0)

    @property
    def slowest(self) -> float:
        """Seconds of the longest wait for a page or a message, of those that were not over when the fault began."""
        return self.longest(lambda visit: visit.kind not in TRANSFERS)

    def longest(self, which: Callable[[Visit], bool] = lambda visit: True) -> float:
        """The same of these."""
        waits = [visit.ended - visit.began for visit in self.visits if visit.ended > 0 and which(visit)]
        return max(waits, default=0.0)

    @property
    def finished(self) -> int:
        """Transfers, messages, pages: what the load has finished, from before the fault on."""
        return sum(visit.result == "200" and visit.kind != "probe" for visit in self.visits)

    @property
    def broken(self) -> int:
        """What the load had begun, and then its connection ended."""
        return sum(visit.result in BROKEN and visit.kind != "probe" for visit in self.visits)

    @property
    def corrupted(self) -> int:
        """What seemed to be finished, and was not what it should be."""
        return sum(bool(visit.flaw) for visit in self.visits)


def readNotes(notes: Path, began: float) -> list[Visit]:
    """What the visitors have noted; a last line may be missing its end."""
    visits = []
    for line in notes.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            kind, first, last, result, flaw = json.loads(line)
            visits.append(Visit(kind, first - began, last - began, result, flaw))
    return visits
