"""The configurations of `docs/ingress.md`, so that what is documented is what is tested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "ingress.md"


def documented(name: str, changes: Mapping[str, object]) -> str:
    """A file of the document, with ports and paths of the test in place of the documented ones, which must be there."""
    found = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w*\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    if found is None:
        raise LookupError(f"{DOCUMENT} has no file {name}")
    text = found[1]
    for old, new in changes.items():
        if old not in text:
            raise LookupError(f"{name} in {DOCUMENT} has no {old!r}")
        text = text.replace(old, str(new))
    return text
