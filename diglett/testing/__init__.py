"""For tests of whatever is built on diglett: a data plane in memory, and links that are already established.

Deterministic: time is a `twisted.internet.task.Clock`, and bytes move when `MemoryPlane.pump` is called. Nothing but
tests imports this.
"""

from __future__ import annotations

from diglett.testing.links import (
    NotedEndpoint,
    NotingHandler,
    Side,
    clientTrust,
    connectedLinks,
    memoryCredentials,
    serverContexts,
)
from diglett.testing.memory import MemoryChannel, MemoryListener, MemoryPlane

__all__ = [
    "MemoryChannel",
    "MemoryListener",
    "MemoryPlane",
    "NotedEndpoint",
    "NotingHandler",
    "Side",
    "clientTrust",
    "connectedLinks",
    "serverContexts",
    "memoryCredentials",
]
