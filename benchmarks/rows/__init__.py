"""The rows, and choosing among them."""

from __future__ import annotations

from typing import Sequence

from benchmarks.rows.base import Metric, Row
from benchmarks.rows.bulk import Bulk
from benchmarks.rows.connections import Connections
from benchmarks.rows.far import Far
from benchmarks.rows.http import KeepAlive, Visitors
from benchmarks.rows.idle import Idle
from benchmarks.rows.mixed import Mixed
from benchmarks.rows.responsive import Responsive
from benchmarks.rows.stalled import Stalled
from benchmarks.rows.startup import StartUp
from benchmarks.rows.trip import Trip
from benchmarks.settings import Settings


def allRows(settings: Settings) -> Sequence[Row]:
    """Everything that can be measured, in the table's order."""
    return [
        *(Bulk(direction, streams) for streams in (1, 8) for direction in ("down", "up")),
        *(Trip(size, connections) for connections in (1, 64) for size in (1, 64)),
        KeepAlive("http", "web", "HTTP keep-alive, 64 connections"),
        *(Connections(count) for count in (16, 256)),
        Mixed(),
        Responsive(),
        KeepAlive("https", "secure", "HTTPS keep-alive, 64 connections"),
        Visitors("visitors", False, "new TLS visitors"),
        Visitors("visitors-again", True, "returning TLS visitors"),
        Stalled("reader"),
        Stalled("backend"),
        *(Idle(count) for count in settings.idle),
        StartUp(),
        Far("far-0", 100, 0),
        Far("far-1", 100, 1),
        Far("far-0-cubic", 100, 0, cubic=True),
        Far("far-1-cubic", 100, 1, cubic=True),
        Far("far-fast", 800, 0),
    ]


__all__ = ["Metric", "Row", "allRows"]
