"""`diglett demo`: gateway, agent and a small site in one process, on loopback, until Ctrl-C."""

from __future__ import annotations

from diglett.demo.run import run

__all__ = ["run"]
