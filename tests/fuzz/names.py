"""Which targets there are."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import tests.fuzz.targets

TARGETS = tuple(sorted(found.name for found in pkgutil.iter_modules(tests.fuzz.targets.__path__)))


def load(name: str) -> Any:
    """A target's module."""
    return import_module(f"tests.fuzz.targets.{name}")
