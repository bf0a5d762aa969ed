"""Publishing from within a Python program: `expose` for any, `connect` for those that run Twisted's reactor."""

from __future__ import annotations

from diglett.api.deferred import DeferredTunnel, connect
from diglett.api.threaded import Tunnel, expose

__all__ = ["DeferredTunnel", "Tunnel", "connect", "expose"]
