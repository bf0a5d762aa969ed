"""Visitors who ask again and again, each over a connection that is kept until the answer says otherwise.

HOST PORT COUNT [CA]: says `all are served` once each has had an answer, and when asked to stop how many answers and how
many failures there were. A failure is anything but a whole answer of status 200 to a request that was sent.
"""

from __future__ import annotations

import asyncio
import collections
import signal
import ssl
import sys

PATIENCE = 20.0
"""Seconds that an answer may take."""


class Load:
    """All of them."""

    def __init__(self, host: str, port: int, count: int, ca: str | None) -> None:
        self.host = host
        self.port = port
        self.context = ssl.create_default_context(cafile=ca) if ca else None
        self.stopping = False
        self.answers = 0
        self.connections = 0
        self.slowest = 0.0
        self.failures: collections.Counter[str] = collections.Counter()
        self.unserved = count
        self.count = count

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, self, "stopping", True)
        await asyncio.gather(*(self.visitor() for _ in range(self.count)))
        print(f"{self.answers} answers over {self.connections} connections, the slowest took {self.slowest:.2f} s")
        print(f"{sum(self.failures.values())} failures {dict(self.failures)}", flush=True)

    async def visitor(self) -> None:
        served = False
        while not self.stopping:
            try:
                await asyncio.wait_for(self.conversation(), PATIENCE)
            except Exception as error:
                self.failures[f"{type(error).__name__} {error}"] += 1
                await asyncio.sleep(0.1)
            else:
                if not served:
                    served = True
                    self.unserved -= 1
                    if not self.unserved:
                        print("all are served", flush=True)

    async def conversation(self) -> None:
        """A connection: some requests, until somebody has had enough."""
        name = self.host if self.context else None
        began = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.context, server_hostname=name
        )
        self.connections += 1
        try:
            for _ in range(100):
                if not await self.request(reader, writer, began) or self.stopping:
                    return
                began = asyncio.get_running_loop().time()
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: float) -> bool:
        """One request; whether the connection stays."""
        writer.write(f"GET / HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        lines = head.split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        if " 200 " not in lines[0]:
            raise ValueError(lines[0])
        self.answers += 1
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - began)
        return fields.get("connection") != "close"


if __name__ == "__main__":
    host, port, count, *ca = sys.argv[1:]
    asyncio.run(Load(host, int(port), int(count), ca[0] if ca else None).run())
