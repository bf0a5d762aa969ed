"""What must be true of a cell, whatever the fault and the load."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.faults import ATONCE, NOTHING, SILENCE, Fault
from tests.chaos.house import Patience
from tests.chaos.result import Result

PROMPT = 2.0
"""Seconds in which an end that is told must be noticed, on a busy machine too."""
SLACK = 5.0
"""Seconds that a visitor may wait beyond the fault or its detection."""
GROWTH = 24.0
"""MiB by which gateway or agent may have grown: 350 visitors who wait at the same time take 50 KiB each, and some of it
is kept for those who come."""
CALM = 1.0
"""Seconds after the return from which on nothing may fail any more."""


def judge(result: Result, fault: Fault, patience: Patience, slow: float = 0.0) -> list[str]:
    """Sentences about what was not as it must be; none when all was well. `slow`: seconds more for everything."""
    return [
        *result.wrong,
        *_noticing(result, fault, patience, slow),
        *_return(result, fault, slow),
        *_visitors(result, fault, patience, slow),
        *_memory(result),
    ]


def _noticing(result: Result, fault: Fault, patience: Patience, slow: float) -> Iterator[str]:
    for who, how, when in (
        ("agent", fault.agent, result.agentNoticed),
        ("gateway", fault.gateway, result.gatewayNoticed),
    ):
        limit = {ATONCE: PROMPT, SILENCE: patience.most}.get(how)
        if limit is not None and (when is None or when > limit + slow):
            yield f"the {who} should have noticed within {limit} s, and did after {when}"
        if how == NOTHING and when is not None:
            yield f"the {who} should have kept the link, and lost it after {when:.1f} s"


def _return(result: Result, fault: Fault, slow: float) -> Iterator[str]:
    start = max(result.mended, result.agentNoticed or 0.0) if fault.heals else result.mended
    if result.back is None:
        yield "it did not come back"
    elif result.back - start > fault.back + slow:
        yield f"it should have been back within {fault.back} s, and was after {result.back - start:.1f} s"


def _visitors(result: Result, fault: Fault, patience: Patience, slow: float) -> Iterator[str]:
    strange = set(result.seen) - fault.seen - {"200"}
    if strange:
        yield f"visitors saw {', '.join(f'{word} ({result.seen[word]} times)' for word in sorted(strange))}"
    for visit in result.visits:
        if visit.flaw:
            yield f"what seemed finished was not right ({visit.kind}): {visit.flaw}"
    early = [visit for visit in result.visits if visit.ended <= 0 and visit.result != "200"]
    if early:
        yield f"{len(early)} requests failed before there was a fault: {early[0]}"
    limit = max(result.mended, patience.most) + SLACK + slow
    if result.longest() > limit:
        yield f"a visitor waited {result.longest():.1f} s, and nobody should for more than {limit:.1f} s"
    if result.back is None:
        return
    calm = [visit for visit in result.visits if visit.began > result.back + CALM]
    failed = [visit for visit in calm if visit.result != "200"]
    if failed:
        yield f"{len(failed)} requests failed though it was back: {failed[0]}"
    if not any(visit.result == "200" and visit.kind != "probe" for visit in calm):
        yield "of the load, nothing was served again"


def _memory(result: Result) -> Iterator[str]:
    for who, before, after in zip(("gateway", "agent"), result.before, result.after, strict=True):
        if after - before > GROWTH:
            yield f"the {who} has grown by {after - before:.1f} MiB"
