"""What the plane offers: channels (connections), their owners, and the plane itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

WOULD_BLOCK = -1


class Owner(Protocol):
    """Who works with a channel. None of these may raise."""

    def readable(self) -> None:
        """There is something to read, or the end: call `readInto` once."""

    def drained(self, size: int) -> None:
        """So many bytes that had been queued have gone out."""

    def broken(self, error: Exception) -> None:
        """The channel is over, without the owner's doing. Called at most once, nothing is called after it."""


class Channel(Protocol):
    """A connection, plain or TLS, over whatever driver. After `close` and `abort` its owner hears nothing more."""

    owner: Owner
    peer: Any
    """The other side's socket address: a tuple, or a text."""

    @property
    def queued(self) -> int:
        """Bytes accepted and not gone out yet."""

    def readInto(self, view: memoryview) -> int:
        """Receive at most as much as fits: how much, 0 at the end of the stream, `WOULD_BLOCK`.

        Raises OSError: the connection is broken; the owner decides (`broken` is not called then).
        """

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        """Send these, `size` bytes together; how many went out at once. The others are copied and queued."""

    def pauseReading(self) -> None:
        """Do not call `readable` until `resumeReading`."""

    def resumeReading(self) -> None: ...

    def finish(self) -> None:
        """Send no more once the queue is empty: half-close."""

    def close(self) -> None:
        """Close once the queue is empty, in a way that loses no byte of it; bounded in time."""

    def abort(self) -> None:
        """Close now, discard the queue, and let the other side see a reset."""

    def localAddress(self) -> Any:
        """Our socket address."""

    def option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option where there is such a thing."""


class Listener(Protocol):
    """A listening socket."""

    def address(self) -> Any: ...

    def pause(self) -> None:
        """Stop accepting; what waits in the kernel's queue stays there."""

    def resume(self) -> None:
        """Accept again."""

    def close(self) -> Any:
        """Stop listening, after accepting those who are waiting already; may answer later."""


class Plane(Protocol):
    """A driver."""

    clock: Any
    """`IReactorTime`."""
    pool: Any
    """The `BatchPool` that links take their buffers from."""

    def listen(self, description: str, accepted: Callable[[Channel], None]) -> Any:
        """Listen on a Twisted server endpoint string; a Deferred of the Listener."""

    def listenOn(self, socket: Any, accepted: Callable[[Channel], None]) -> Listener:
        """Accept on a socket that is listening already, and own it."""

    def connect(self, target: Target, timeout: float) -> Any:
        """A Deferred of a connected channel, paused."""

    def tls(self, below: Channel, connection: Any) -> Channel:
        """TLS (a pyOpenSSL Connection over memory BIOs) on top of one of its channels; see `TLSChannel`."""

    def tuneLink(self, channel: Channel, timeout: float) -> None:
        """This channel carries a link, which is dead when nothing is acknowledged for `timeout` seconds."""

    def close(self, limit: float = ...) -> Any:
        """Let go of everything; owners are not told. A Deferred: first, closed connections send what they have queued,
        for `limit` seconds at most."""

    def atBatchEnd(self, call: Callable[[], None]) -> None:
        """Call this when the events at hand are dealt with."""


@frozen
class Target:
    """Where to connect: a host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def formatAddress(address: Any) -> str:
    """`address port` as Open carries it; empty for a Unix socket."""
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]} {address[1]}"
    return ""
