"""A visitor's connection, and a word for each way in which a request can end."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterable
from contextlib import suppress

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.chaos.programs.noise import BLOCK


class NotKept(Exception):
    """The server ended a kept connection and has not begun to answer: clients ask again by themselves."""


class Client:
    """One connection of HTTP over TLS."""

    def __init__(self, port: int, host: str, context: ssl.SSLContext | None) -> None:
        self._place = port, host, context
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._answered = 0
        self._silent = True
        """Nothing has come of the answer yet."""

    async def request(self, method: str, target: str, body: Iterable[bytes] = (), size: int = 0) -> tuple[int, bytes]:
        """Ask; the status, and the answer: of a download the SHA-256 of it. Raises what `wordFor` knows."""
        reader, writer = await self._connected()
        self._silent = True
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._place[1]}\r\n"
        if method == "PUT":
            head += f"Content-Length: {size}\r\n"
        writer.write(head.encode() + b"\r\n")
        sending = asyncio.create_task(self._send(writer, body))
        try:
            status, answer, keep = await self._answer(reader, target.startswith("/down"))
        except (asyncio.IncompleteReadError, OSError) as error:
            if self._answered and self._silent and not getattr(error, "partial", b""):
                raise NotKept() from None
            raise
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
        self._answered += 1
        if not keep:
            self.close()
        return status, answer

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
        self._answered = 0

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            port, host, context = self._place
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname=host if context else None
            )
        return self._reader, self._writer

    async def _send(self, writer: asyncio.StreamWriter, body: Iterable[bytes]) -> None:
        for part in body:
            writer.write(part)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, hashed: bool) -> tuple[int, bytes, bool]:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        self._silent = False
        status = int(head.split(b" ")[1])
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        left = int(fields[b"content-length"])
        digest = hashlib.sha256()
        body = b""
        while left:
            data = await reader.read(min(left, BLOCK))
            if not data:
                raise asyncio.IncompleteReadError(body, left)
            left -= len(data)
            if hashed and status == 200:
                digest.update(data)
            else:
                body += data
        if hashed and status == 200:
            body = digest.hexdigest().encode()
        return status, body, fields.get(b"connection") != b"close"


def wordFor(error: BaseException) -> str:
    """What a visitor saw: `refused`, `reset`, `cut` (an end before the end), `unkept`, `hung`, or a status."""
    if isinstance(error, NotKept):
        return "unkept"
    if isinstance(error, InvalidStatus):
        return str(error.response.status_code)
    if isinstance(error, asyncio.TimeoutError):
        return "hung"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (asyncio.IncompleteReadError, ConnectionClosed, InvalidHandshake, EOFError)):
        return "cut"
    return "reset"
