"""Sound inputs, mostly from the vectors that the documentation publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "vectors" / "wire-v2.json").read_text(encoding="utf-8")
)


def conversations(kind: str) -> list[tuple[str, bytes]]:
    """For each conversation of this kind: a side, and all that it said, whole."""
    return [(side, said(conversation, side)) for conversation in VECTORS[kind] for side in ("agent", "gateway")]


def said(conversation: dict[str, Any], side: str) -> bytes:
    """What one side said."""
    return b"".join(bytes.fromhex(step["hex"]) for step in conversation["steps"] if step["from"] == side)


def single(kind: str) -> list[bytes]:
    """The frames of `link errors` and `ignored`."""
    return [bytes.fromhex(each["hex"]) for each in VECTORS[kind]]
