"""A TCP service that is asked for bytes or counts those it gets; prints its port, which may be given.

The first line says what to do: `down SIZE` and that many bytes come, `up` and everything until the end is read. Either
way the SHA-256 of all bytes is said at the end: by the visitor, who knows the same bytes, or in a last line.
"""

from __future__ import annotations

import hashlib
import random
import socketserver
import struct
import sys
from collections.abc import Iterator

BLOCK = 1_048_576
_noise = random.Random(9).randbytes(BLOCK - 8)


def blocks(size: int, seed: int = 0) -> Iterator[bytes]:
    """The same bytes for the same size and seed; no two blocks of them are alike."""
    number = 0
    while size > 0:
        block = struct.pack(">II", seed, number) + _noise
        yield block if size >= BLOCK else block[:size]
        size -= BLOCK
        number += 1


def checksum(size: int, seed: int = 0) -> str:
    """The SHA-256 of `blocks`."""
    digest = hashlib.sha256()
    for block in blocks(size, seed):
        digest.update(block)
    return digest.hexdigest()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Do what the first line says."""
        word, *arguments = self.rfile.readline().decode().split()
        if word == "down":
            for block in blocks(*map(int, arguments)):
                self.request.sendall(block)
            return
        digest = hashlib.sha256()
        room = bytearray(BLOCK)
        while size := self.rfile.readinto1(room):
            digest.update(memoryview(room)[:size])
        self.wfile.write(digest.hexdigest().encode() + b"\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True


if __name__ == "__main__":
    with _Server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), _Handler) as server:
        print(f"port {server.server_address[1]}", flush=True)
        server.serve_forever()
