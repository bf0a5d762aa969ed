"""What `diglett demo` was told."""

from __future__ import annotations

from attrs import frozen


@frozen
class DemoOptions:
    """Options of the demonstration; a port of None is the usual one or, if taken, a free one; 0 is any."""

    httpsPort: int | None = None
    httpPort: int | None = None
    debug: int = 0
