"""A relay that fails when told to: `relay.py LISTEN_HOST PORT TARGET_HOST PORT`; prints `port PORT`.

Commands on stdin, each answered with `ok`:

    weather DELAY RATE   from now on DELAY ms each way, and RATE Mbit/s for each connection and way (0: no limit)
    hold, flow           take, carry and answer nothing, as when a line is dead; go on, nothing is lost
    reset, close         end all connections, with RST or FIN, at both sides
    forget               what is connected now is never served again, new connections are: a NAT that lost its table
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

CHUNK = 16_384


class Relay:
    """All connections, and what the weather is like."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.delay = 0.0  # seconds
        self.rate = 0.0  # bytes a second
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._target = target
        self._pairs: dict[Pair, asyncio.Event] = {}

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        await self.flowing.wait()
        try:
            onwards = await asyncio.open_connection(*self._target, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        known = asyncio.Event()
        known.set()
        pair = Pair(self, known, (reader, writer), onwards)
        self._pairs[pair] = known
        await pair.run()
        del self._pairs[pair]

    def obey(self, command: str, *words: str) -> None:
        """Do what stdin says."""
        if command == "weather":
            self.delay, self.rate = float(words[0]) / 1e3, float(words[1]) * 1e6 / 8
        elif command in ("reset", "close"):
            for pair in list(self._pairs):
                pair.end(hard=command == "reset")
        else:
            self._WORDS[command](self)

    def _forget(self) -> None:
        for known in self._pairs.values():
            known.clear()

    _WORDS: dict[str, Callable[[Relay], None]] = {
        "hold": lambda self: self.flowing.clear(),
        "flow": lambda self: self.flowing.set(),
        "forget": _forget,
    }


End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pair:
    """Two connections and what is on its way between them."""

    def __init__(self, relay: Relay, known: asyncio.Event, near: End, far: End) -> None:
        self._relay = relay
        self._known = known
        self._ends = near, far
        for _, writer in self._ends:
            writer.transport.set_write_buffer_limits(CHUNK)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self) -> None:
        """Until both ways are over."""
        (nearIn, nearOut), (farIn, farOut) = self._ends
        try:
            await asyncio.gather(self._way(nearIn, farOut), self._way(farIn, nearOut))
        except OSError:
            self.end(hard=True)
        finally:
            self.end(hard=False)

    def end(self, hard: bool) -> None:
        """Close both sides."""
        for _, writer in self._ends:
            if hard:
                with suppress(OSError):
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()

    async def _way(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One direction: read as fast as the rate allows, and hand on after the delay."""
        loop = asyncio.get_running_loop()
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)
        handing = asyncio.create_task(self._hand(line, sink))
        try:
            while not handing.done():
                data = await source.read(CHUNK)
                await line.put((loop.time() + self._relay.delay, data))
                if not data:
                    break
                if self._relay.rate:
                    await asyncio.sleep(len(data) / self._relay.rate)
            await handing
        finally:
            handing.cancel()

    async def _hand(self, line: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self._relay.flowing.wait()
            await self._known.wait()
            if not data:
                if sink.can_write_eof():
                    sink.write_eof()
                return
            sink.write(data)
            await sink.drain()


async def main(host: str, port: str, targetHost: str, targetPort: str) -> None:
    """Relay until stdin ends."""
    relay = Relay((targetHost, int(targetPort)))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    server = await asyncio.start_server(relay.accepted, host, int(port), limit=CHUNK)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    while words := (await commands.readline()).decode().split():
        relay.obey(*words)
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
