"""A backend for all loads: `backend.py PORT`. On stdin: `refuse` (accept nobody new) and `accept`.

    GET /echo?TEXT        TEXT
    GET /down?SIZE,SEED   so many bytes
    PUT /up               size and SHA-256 of what came
    Upgrade: websocket    says each message again
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Request

from tests.chaos.programs.noise import BLOCK, blocks


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, to its end."""
    try:
        while head := await _head(reader):
            if b"upgrade: websocket" in head.lower():
                await _chat(head, reader, writer)
                return
            await _answer(head, reader, writer)
    except (OSError, asyncio.IncompleteReadError):
        pass  # whoever it was has gone
    finally:
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    method, target, _ = head.split(b" ", 2)
    path, _, query = target.decode().partition("?")
    if path == "/down":
        size, seed = map(int, query.split(","))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for block in blocks(size, seed):
            writer.write(block)
            await writer.drain()
        return
    body = (await _counted(head, reader) if method == b"PUT" else query).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


async def _counted(head: bytes, reader: asyncio.StreamReader) -> str:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    size = left = int(fields[b"content-length"])
    digest = hashlib.sha256()
    while left:
        data = await reader.read(min(left, BLOCK))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        digest.update(data)
        left -= len(data)
    return f"{size} {digest.hexdigest()}"


async def _chat(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    socket = WSConnection(ConnectionType.SERVER)
    data: bytes | None = head
    while data is not None:
        socket.receive_data(data)
        for event in socket.events():
            if isinstance(event, Request):
                writer.write(socket.send(AcceptConnection()))
            elif isinstance(event, Message):
                writer.write(socket.send(Message(data=event.data, message_finished=event.message_finished)))
            elif isinstance(event, (Ping, CloseConnection)):
                writer.write(socket.send(event.response()))
            if isinstance(event, CloseConnection):
                return
        await writer.drain()
        data = await reader.read(BLOCK) or None


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Else the kernel would go on sending what a backend that was killed had written.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    listening.bind(("127.0.0.1", port))
    listening.listen(1024)
    return listening


async def main(port: int) -> None:
    """Serve until stdin ends."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    server = await asyncio.start_server(serve, sock=_listening(port), limit=1 << 20)
    print("accepting", flush=True)
    while command := (await commands.readline()).decode().strip():
        if command == "refuse":
            server.close()  # those who are there stay
            print("refusing", flush=True)
        else:
            server = await asyncio.start_server(serve, sock=_listening(port), limit=1 << 20)
            print("accepting", flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
