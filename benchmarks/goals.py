"""The figures the project wants to reach, as ratios within one run wherever the machine matters."""

from __future__ import annotations

from attrs import frozen

from benchmarks.results import Results


@frozen
class Goal:
    """One contender's figure against a limit: as it is, or over another contender's or metric's."""

    metric: str
    sign: str
    limit: float
    contender: str = "ours"
    reference: str | None = None
    other: str | None = None

    def value(self, results: Results) -> float | None:
        """What this run has to say; None when it did not measure it."""
        own = results.summary(self.contender, self.metric)
        if own is None:
            return None
        if self.reference is not None:
            return results.ratio(self.contender, self.metric, self.reference)
        if self.other is not None:
            other = results.summary(self.contender, self.other)
            return own.median / other.median if other and other.median > 0 else None
        return own.median

    def reached(self, value: float) -> bool:
        """Whether the value is on the right side of the limit."""
        return value >= self.limit if self.sign == "≥" else value <= self.limit

    def text(self, results: Results) -> str:
        """What is compared."""
        labels = results.labels
        title = f"{results.metrics[self.metric].title}, {labels.get(self.contender, self.contender)}"
        if self.reference is not None:
            return f"{title}, x {labels.get(self.reference, self.reference)}"
        if self.other is not None:
            return f"{title}, x {results.metrics[self.other].title}"
        return f"{title} [{results.metrics[self.metric].unit}]"


def _against(metric: str, sign: str, contender: str = "ours", **limits: float) -> list[Goal]:
    return [Goal(metric, sign, limit, contender, reference) for reference, limit in limits.items()]


GOALS = [
    *_against("bulk-down-1", "≥", ssh=1.4, direct=0.16, haproxy=0.9, prototype=0.9),
    *_against("bulk-up-1", "≥", ssh=1.4, direct=0.16, haproxy=0.9, prototype=0.9),
    Goal("bulk-down-8.unfair", "≤", 1.3),
    Goal("bulk-up-8.unfair", "≤", 1.3),
    *(Goal(f"responsive.{way}.late.worst", "≤", 20) for way in ("down", "up")),
    *(Goal(f"responsive.{way}.ping.worst", "≤", 50) for way in ("down", "up")),
    *_against("http", "≥", ssh=1.6, direct=0.38, prototype=0.9),
    Goal("http.p99", "≤", 5),
    *_against("trip-1-1.p50", "≤", ssh=0.6, direct=1.2),
    *_against("trip-64-1.p50", "≤", ssh=0.6, direct=1.2),
    *_against("connect-16", "≥", ssh=1.6, direct=0.45, prototype=0.9),
    *_against("connect-256", "≥", ssh=1.6, direct=0.45, prototype=0.9),
    *_against("idle-2000", "≤", ssh=0.05),
    Goal("idle-2000", "≤", 3),
    *_against("idle-10000", "≤", ssh=0.05),
    Goal("idle-10000", "≤", 3),
    Goal("idle-10000.cpu", "≤", 0.5),
    Goal("stalled-reader.slower", "≤", 2),
    Goal("stalled-backend.slower", "≤", 2),
    # A window is 1 MiB or less at first.
    *(
        Goal(f"stalled-{side}.{role}", "≤", 1024 + 64)
        for side in ("reader", "backend")
        for role in ("gateway", "agent")
    ),
    Goal("https", "≥", 1.3, "ours-https", "nginx-ssh"),
    Goal("https", "≥", 2, "ours-https", "caddy-ours"),
    Goal("https", "≥", 0.8, "ours-https", "nginx-ours"),
    Goal("visitors", "≥", 0.8, "ours-https", "caddy-ours"),
    *_against("far-0.1", "≥", ssh=1.5, direct=0.8),
    *_against("far-1.1", "≥", ssh=1.5),
    # Eight streams no worse than one: within what rounds differ by.
    Goal("far-0.8", "≥", 0.95, other="far-0.1"),
    Goal("far-1.8", "≥", 0.95, other="far-1.1"),
    *_against("far-fast.1", "≥", ssh=1.5, direct=0.8),
    *_against("far-0-cubic.1", "≥", direct=0.8),
    *_against("far-1-cubic.1", "≥", contender="ours-bbr", ssh=1.5),
    # Loss costs little; cubic alone would leave a fortieth.
    *(Goal(f"far-1-cubic.{count}", "≥", 0.8, "ours-bbr", other=f"far-0-cubic.{count}") for count in (1, 8)),
    Goal("startup.help", "≤", 80),
    Goal("startup.agent", "≤", 600),
]
