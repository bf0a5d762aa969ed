"""The examples in `docs/`, for tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def example(document: str, name: str) -> str:
    """What stands in the block marked `<!-- tested: NAME -->`."""
    text = (DOCS / document).read_text("utf-8")
    found = re.search(rf"<!-- tested: {re.escape(name)} -->\n```\w*\n(.*?)```", text, re.DOTALL)
    if found is None:
        raise LookupError(f"{document} has no example {name}")
    return found[1]
