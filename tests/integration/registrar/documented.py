"""The configurations of `docs/ingress.md`, so that what is documented is what is tested."""

from __future__ import annotations

from collections.abc import Mapping

from tests.documents import example


def documented(name: str, changes: Mapping[str, object]) -> str:
    """A file of the document, with ports and paths of the test in place of the documented ones, which must be there."""
    text = example("ingress.md", name)
    for old, new in changes.items():
        if old not in text:
            raise LookupError(f"{name} in docs/ingress.md has no {old!r}")
        text = text.replace(old, str(new))
    return text
