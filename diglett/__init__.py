"""Publish a local service under a name of your own gateway."""

from __future__ import annotations

__version__ = "0.1.0"
