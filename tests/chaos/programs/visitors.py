"""Visitors who note what they see: `visitors.py '{"load": ..., "port": ..., "host": ..., "ca": ..., "notes": FILE}'`.

On stdin: `probe` (from now on a new visitor ten times a second) and `finish` (ask for nothing more, and end). Prints
`ready`, and `good BEGAN ENDED` for each of the new visitors who was served. The notes are JSON lists, one a line: what
was done, when it began and ended (CLOCK_MONOTONIC), how it ended, and what was wrong with what came.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TextIO

from websockets.asyncio.client import connect

from tests.chaos.programs.client import Client, wordFor
from tests.chaos.programs.noise import blocks, checksum

PATIENCE = 60.0
"""Seconds after which a visitor would have given up: nothing may take so long."""
PROBES = 0.1
"""Seconds between new visitors."""
PAUSE = 0.25
"""Seconds before somebody who was turned away tries again."""
SEEDS = 8


class Visitors:
    """All of them."""

    def __init__(
        self, load: str, port: int, host: str, context: ssl.SSLContext | None, size: int, notes: TextIO
    ) -> None:
        self._load = load
        self._place = port, host, context
        self._url = f"wss://{host}:{port}/chat"
        self._size = size
        self._notes = notes
        self._sums = [checksum(size, seed) for seed in range(SEEDS)]
        self._finish = asyncio.Event()
        self._started = 0
        self._asked = 0

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Until stdin says `finish`, and all that had begun is over."""
        count, work = self.LOADS[self._load]
        visiting: list[asyncio.Task[None]] = [asyncio.create_task(work(self)) for _ in range(count)]
        while self._started < count:
            await asyncio.sleep(0.02)
        print("ready", flush=True)
        while (command := (await commands.readline()).decode().strip()) == "probe":
            visiting.append(asyncio.create_task(self._probe()))
        self._finish.set()
        if command:
            await asyncio.gather(*visiting)

    # ---- what they do --------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        running = []
        while not self._finish.is_set():
            running.append(asyncio.create_task(self._one()))
            await asyncio.sleep(PROBES)
        await asyncio.gather(*running)

    async def _one(self) -> None:
        client = Client(*self._place)
        began = time.monotonic()
        if await self._try("probe", lambda: self._echo(client)) == "200":
            print("good", began, time.monotonic(), flush=True)
        client.close()

    async def _keptAlive(self) -> None:
        await self._again("get", self._echo, 0.05)

    async def _downloads(self) -> None:
        await self._again("down", self._download, 0.0)

    async def _uploads(self) -> None:
        await self._again("up", self._upload, 0.0)

    async def _again(self, kind: str, ask: Callable[[Client], Coroutine[Any, Any, str]], pause: float) -> None:
        """Ask on one connection as long as it is kept."""
        client = Client(*self._place)
        good = False
        while not self._finish.is_set():
            result = await self._try(kind, lambda: ask(client))
            if result == "200":
                self._started += not good
                good = True
            else:
                client.close()
            await asyncio.sleep(pause if result in ("200", "unkept") else PAUSE)
        client.close()

    async def _chatting(self) -> None:
        await self._chats(0.5)

    async def _listening(self) -> None:
        """A socket that says nothing until the end: then it must still be what it seems to be."""
        await self._chats(None)

    async def _chats(self, pause: float | None) -> None:
        good = False
        while not self._finish.is_set():
            socket: Any = None

            async def begin() -> str:
                nonlocal socket
                socket = await connect(
                    self._url, host="127.0.0.1", port=self._place[0], ssl=self._place[2],
                    open_timeout=None, ping_interval=None, close_timeout=5, compression=None,
                )  # fmt: skip
                return ""

            if await self._try("ws", begin) == "200":
                self._started += not good
                good = True
                await self._chat(socket, pause)
            await asyncio.sleep(PAUSE)

    async def _chat(self, socket: Any, pause: float | None) -> None:
        """Say something now and then, until one side ends it."""

        async def exchange() -> str:
            text = self._text()
            await socket.send(text)
            heard = await socket.recv()
            return "" if heard == text else f"said {text[:20]!r}, heard {heard[:20]!r}"

        while True:
            interrupted = [asyncio.create_task(each) for each in (self._finish.wait(), socket.wait_closed())]
            await asyncio.wait(interrupted, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in interrupted:
                task.cancel()
            if await self._try("ws", exchange) != "200":
                return
            if self._finish.is_set():
                await socket.close()
                return

    # ---- requests ------------------------------------------------------------------------------------------------

    async def _echo(self, client: Client) -> str:
        text = self._text()
        status, body = await client.request("GET", f"/echo?{text}")
        return self._judge(status, body.decode(), text)

    async def _download(self, client: Client) -> str:
        seed = self._next() % SEEDS
        status, body = await client.request("GET", f"/down?{self._size},{seed}")
        return self._judge(status, body.decode(), self._sums[seed])

    async def _upload(self, client: Client) -> str:
        seed = self._next() % SEEDS
        status, body = await client.request("PUT", "/up", blocks(self._size, seed), self._size)
        return self._judge(status, body.decode(), f"{self._size} {self._sums[seed]}")

    def _judge(self, status: int, got: str, wanted: str) -> str:
        if status != 200:
            raise Turned(status)
        return "" if got == wanted else f"got {got[:40]!r} instead of {wanted[:40]!r}"

    def _next(self) -> int:
        self._asked += 1
        return self._asked

    def _text(self) -> str:
        return f"{self._next()}-" + "x" * 100

    async def _try(self, kind: str, work: Callable[[], Coroutine[Any, Any, str]]) -> str:
        """Do it, note how it ended, and say so in a word. The work's answer is what was wrong with what came."""
        began, flaw = time.monotonic(), ""
        try:
            flaw = await asyncio.wait_for(work(), PATIENCE)
            result = "200"
        except Turned as turned:
            result = str(turned.status)
        except Exception as error:
            result = wordFor(error)
        self._notes.write(json.dumps([kind, began, time.monotonic(), result, flaw]) + "\n")
        return result

    LOADS: dict[str, tuple[int, Callable[[Visitors], Coroutine[Any, Any, None]]]] = {
        "idle": (5, _listening),
        "bulk down": (2, _downloads),
        "bulk up": (2, _uploads),
        "WebSockets": (50, _chatting),
        "keep-alive": (16, _keptAlive),
    }


class Turned(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def main(load: str, port: int, host: str, ca: str, size: int, notes: str) -> None:
    """Visit until stdin ends."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    with open(notes, "w", encoding="utf-8") as file:
        await Visitors(load, port, host, ssl.create_default_context(cafile=ca), size, file).run(commands)


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
