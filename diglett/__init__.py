"""
Publish a local service under a name of your own gateway:

    with diglett.expose("localhost:9000") as tunnel:
        print(tunnel.url)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["DeferredTunnel", "Tunnel", "connect", "expose"]

if TYPE_CHECKING:
    from diglett.api import DeferredTunnel, Tunnel, connect, expose
else:

    def __getattr__(name: str) -> object:
        """Load what programs use once they use it: every module of ours imports this one."""
        if name not in __all__:
            raise AttributeError(f"module 'diglett' has no attribute {name!r}")
        from diglett import api

        return getattr(api, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
