"""What happened: visits, faults and a series of measurements, kept as JSON."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from tests.soak.house import Cell, Part


@frozen
class Sample:
    """One process at one moment: KiB that are its own, KiB resident, open descriptors."""

    private: int
    resident: int
    descriptors: int


def measure(part: Part) -> Sample | None:
    """A process as Linux' /proc tells; None when it has just ended."""
    place = Path(f"/proc/{part.program.pid}")
    try:
        lines = (place / "smaps_rollup").read_text().splitlines()
        sizes = {line.split()[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
        return Sample(sizes["Pss_Anon:"], sizes["Rss:"], len(os.listdir(place / "fd")))
    except (OSError, KeyError):
        return None


@frozen
class Strike:
    """A fault and the names it hit; seconds: when, how long it was held, from its end until all was served again."""

    cell: str
    fault: str
    hit: tuple[str, ...]
    at: float
    held: float
    back: float | None


@define
class Record:
    """Everything of a run; visits are counted by many threads."""

    seed: int
    minutes: float
    about: dict[str, str] = field(factory=dict)
    samples: list[dict[str, Any]] = field(factory=list)
    strikes: list[Strike] = field(factory=list)
    finished: Counter[str] = field(factory=Counter)
    left: Counter[str] = field(factory=Counter)
    broken: dict[str, Counter[str]] = field(factory=dict)
    corrupted: list[str] = field(factory=list)
    troubles: list[str] = field(factory=list)
    bytes: int = 0
    before: dict[str, dict[str, Any]] = field(factory=dict)
    """Each cell, quiet, after its first visitors and before its first fault."""
    after: dict[str, dict[str, Any]] = field(factory=dict)
    """Each cell, quiet, after its last visitor."""
    cpu: float = 0.0
    """Cores that all processes, visitors and backends included, used on average."""
    seconds: float = 0.0
    _began: float = field(factory=time.monotonic)
    _lock: threading.Lock = field(factory=threading.Lock)

    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def finish(self, kind: str, size: int) -> None:
        """A visit went well: so many bytes were checked."""
        with self._lock:
            self.finished[kind] += 1
            self.bytes += size

    def leave(self, kind: str) -> None:
        """A visitor went away in the middle."""
        with self._lock:
            self.left[kind] += 1

    def breakOff(self, kind: str, reason: str) -> None:
        """A visit came to a bad end that the visitor could see."""
        with self._lock:
            self.broken.setdefault(kind, Counter())[reason] += 1

    def corrupt(self, text: str) -> None:
        """A visitor or a backend got bytes that nobody had sent."""
        with self._lock:
            self.corrupted.append(f"{self.now():.1f} s: {text}")

    def strike(self, strike: Strike) -> None:
        """A fault is over."""
        with self._lock:
            self.strikes.append(strike)

    def sample(self, cells: list[Cell]) -> None:
        """Measure everything now."""
        self.samples.append({"at": round(self.now(), 1), **{cell.name: look(cell) for cell in cells}})

    @classmethod
    def read(cls, path: Path) -> Record:
        """What `save` wrote."""
        values = json.loads(path.read_text())
        values["strikes"] = [Strike(**{**each, "hit": tuple(each["hit"])}) for each in values["strikes"]]
        values["broken"] = {kind: Counter(reasons) for kind, reasons in values["broken"].items()}
        for key in ("finished", "left"):
            values[key] = Counter(values[key])
        return cls(**values)

    def save(self, path: Path) -> None:
        """Write it as JSON, a line for each sample."""
        values = asdict(self, filter=lambda attribute, _: not attribute.name.startswith("_"))
        samples = values.pop("samples")
        rows = ",\n  ".join(json.dumps(sample, separators=(",", ":")) for sample in samples)
        strikes = ",\n  ".join(json.dumps(strike, separators=(",", ":")) for strike in values.pop("strikes"))
        text = json.dumps(values, indent=1)
        path.write_text(f'{text[:-2]},\n "strikes": [\n  {strikes}\n ],\n "samples": [\n  {rows}\n ]\n}}\n')


def look(cell: Cell) -> dict[str, Any]:
    """A cell now: each process of ours by name, and what its gateway tells (nothing while it is down)."""
    seen: dict[str, Any] = {}
    for part in cell.ours():
        sample = measure(part)
        seen[part.name] = sample and [sample.private, sample.resident, sample.descriptors]
    try:
        status = cell.status()
        seen["links"] = len(status["agents"])
        seen["streams"] = sum(agent["streams"] for agent in status["agents"])
        seen["visitors"] = status["visitors"]
    except (OSError, ValueError):
        pass
    return seen
