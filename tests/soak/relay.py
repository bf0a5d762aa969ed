"""What agents dial instead of the gateway: a line that can be cut, and one that says nothing any more."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable

RESET = struct.pack("ii", 1, 0)


class Relay:
    """Passes connections on to a port of this machine; `port` is its own. Its loop has a thread of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._frozen = False
        self._ends: set[_End] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def cut(self) -> None:
        """Reset every connection."""
        self._do(self._cut)

    def freeze(self) -> None:
        """Take everything, the end of connections included, and pass nothing on."""
        self._do(self._freeze)

    def thaw(self) -> None:
        """Pass on again."""
        self._do(self._thaw)

    def connections(self) -> int:
        """How many are passed on or waiting."""
        return len(self._ends) // 2

    def close(self) -> None:
        """Reset every connection and take no more."""
        self._do(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await self._loop.create_server(lambda: _Near(self), "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _do(self, what: Callable[[], None]) -> None:
        async def done() -> None:
            what()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    def _cut(self) -> None:
        for end in tuple(self._ends):
            end.reset()

    def _freeze(self) -> None:
        self._frozen = True
        for end in self._ends:
            end.flow()

    def _thaw(self) -> None:
        self._frozen = False
        for end in tuple(self._ends):
            end.flow()


class _End(asyncio.Protocol):
    """One of the two connections of a pair."""

    transport: asyncio.Transport
    other: _End | None = None

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.full = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.relay._ends.add(self)
        self.flow()

    def flow(self) -> None:
        """Read if there is somebody to take it."""
        if self.gone or self.transport.is_closing():
            return
        if self.relay._frozen or self.other is None or self.other.full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        self.full = True
        if self.other is not None:
            self.other.flow()

    def resume_writing(self) -> None:
        self.full = False
        if self.other is not None:
            self.other.flow()

    def connection_lost(self, reason: Exception | None) -> None:
        self.gone = True
        self.relay._ends.discard(self)
        if self.other is not None and not self.other.gone:
            if reason is None:
                self.other.transport.close()
            else:
                self.other.reset()

    def reset(self) -> None:
        """End it with RST."""
        connection: socket.socket = self.transport.get_extra_info("socket")
        if not self.gone and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


class _Near(_End):
    """The agent's side: dials the gateway."""

    _dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._dialling = self.relay._loop.create_task(self._dial())

    async def _dial(self) -> None:
        far = _End(self.relay)
        try:
            await self.relay._loop.create_connection(lambda: far, "127.0.0.1", self.relay._target)
        except OSError:
            self.reset()
            return
        far.other = self
        if self.gone:
            far.reset()
            return
        self.other = far
        self.flow()
        far.flow()
