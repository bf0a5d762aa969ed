"""Figures of a run: collected by contender and metric, summed up, kept as JSON."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Mapping, Sequence

from attrs import asdict, define, field, frozen

from benchmarks.errors import Trouble
from benchmarks.rows.base import Metric

_FORMAT = 1


@frozen
class Summary:
    """Median and extremes of one figure's samples."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Summary:
        return cls(statistics.median(samples), min(samples), max(samples), len(samples))


@define
class Results:
    """labels: contenders in order, with what to call them.  problems: what did not work, as text."""

    about: dict[str, Any] = field(factory=dict)
    labels: dict[str, str] = field(factory=dict)
    metrics: dict[str, Metric] = field(factory=dict)
    samples: dict[str, dict[str, list[float]]] = field(factory=dict)
    problems: list[str] = field(factory=list)

    def add(self, contender: str, values: Mapping[str, float]) -> None:
        """One round's figures."""
        own = self.samples.setdefault(contender, {})
        for key, value in values.items():
            own.setdefault(key, []).append(value)

    def summary(self, contender: str, metric: str) -> Summary | None:
        """None when it was not measured."""
        samples = self.samples.get(contender, {}).get(metric)
        return Summary.of(samples) if samples else None

    def ratio(self, contender: str, metric: str, reference: str) -> float | None:
        """Median over the reference's median; None when either is missing or the latter is not positive."""
        own, other = self.summary(contender, metric), self.summary(reference, metric)
        if own is None or other is None or other.median <= 0:
            return None
        return own.median / other.median

    def save(self, path: Path) -> None:
        """Write as JSON, three significant digits more than anybody needs."""
        content = {
            "format": _FORMAT,
            "about": self.about,
            "contenders": self.labels,
            "metrics": [asdict(metric) for metric in self.metrics.values()],
            "samples": {
                contender: {key: [float(f"{value:.6g}") for value in values] for key, values in own.items()}
                for contender, own in self.samples.items()
            },
            "problems": self.problems,
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """What save wrote. Trouble when it is something else."""
        try:
            content = json.loads(path.read_text())
            if content["format"] != _FORMAT:
                raise Trouble(f"{path}: format {content['format']} is not {_FORMAT}")
            metrics = {each["key"]: Metric(**each) for each in content["metrics"]}
            return cls(
                content["about"], content["contenders"], metrics, content["samples"], content["problems"]
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Trouble(f"{path}: not results of a benchmark: {error}") from None
