"""The doctor's findings in lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from diglett.agent.doctor.findings import Finding

_MARKS = {"ok": "ok", "warning": "WARNING", "failed": "FAILED", "skipped": "-"}
_INDENT = " " * 19
WIDTH = 110


def lines(finding: Finding) -> Iterator[str]:
    """What was found, and what to do about it."""
    yield f"{_MARKS[finding.outcome]:8} {finding.step:9} {finding.about}: {finding.said}"
    for line in textwrap.wrap(finding.advice, WIDTH - len(_INDENT), break_long_words=False, break_on_hyphens=False):
        yield _INDENT + line


def verdict(findings: Sequence[Finding]) -> str:
    """The last line."""
    failed = [finding for finding in findings if finding.outcome == "failed"]
    warnings = sum(finding.outcome == "warning" for finding in findings)
    if failed:
        first = failed[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"not well: the first that failed is {first.step} ({first.about}){more}"
    skipped = [finding for finding in findings if finding.outcome == "skipped"]
    if skipped:
        return f"what could be tried is well, and {', '.join(dict.fromkeys(each.step for each in skipped))} could not"
    if warnings:
        return f"it works, with {warnings} warning{'s' if warnings > 1 else ''}"
    return "all is well"
