"""Parts of `docs/` that programs write: what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from __future__ import annotations

from pathlib import Path


def writeSummary(document: Path, name: str, text: str) -> None:
    """Put a text there. Raises LookupError: the document has no such place."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = document.read_text("utf-8")
    before, found, rest = whole.partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise LookupError(f"{document} has no place for {name}")
    document.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", "utf-8")
