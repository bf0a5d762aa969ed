"""Visitors: curl, and conversations over plain sockets."""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.integration.components import LIMIT
from tests.integration.harness import ProcessTestCase
from tests.integration.tunnel import Gateway


@frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    version: str = ""

    @property
    def document(self) -> Any:
        """The body, understood as JSON."""
        return json.loads(self.body)


def curl(test: ProcessTestCase, gateway: Gateway, url: str, *options: str | Path, input: bytes = b"") -> Answer:
    """Fetch with curl, which trusts the gateway's local CA and nobody else."""
    head = test.folder / "head"
    body = test.perform(
        "curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", gateway.ca, "--max-time", str(int(LIMIT)),
        "--dump-header", head, *options, url, input=input,
    )  # fmt: skip
    return _read(head.read_bytes().decode("latin-1"), body)


def _read(heads: str, body: bytes) -> Answer:
    """Read what curl dumped: the last head counts, those before it were interim."""
    head = [each for each in heads.split("\r\n\r\n") if each][-1]
    first, *lines = head.split("\r\n")
    version, status = first.split(" ")[:2]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(status), headers, body, version)


class _Kept(io.BufferedReader):
    """A file that http.client cannot close."""

    def close(self) -> None:
        """Stay open, for the next answer."""


class Conversation:
    """A connection whose bytes the test chooses; the limit of each step is half a minute."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(LIMIT)
        self.socket = connection
        self._file = _Kept(socket.SocketIO(connection, "r"))

    def send(self, data: bytes) -> None:
        """Send all of this."""
        self.socket.sendall(data)

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer when the other side has finished before."""
        return self._file.read(size)

    def some(self, size: int = 65_536) -> bytes:
        """What there is, at least a byte; nothing at the end."""
        return self._file.read1(size)

    def line(self) -> bytes:
        """One line, with its end."""
        return self._file.readline()

    def rest(self) -> bytes:
        """Everything until the other side has finished."""
        return self._file.read()

    def head(self) -> list[str]:
        """The lines of a request's or an answer's head."""
        lines = []
        while (line := self.line()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        return lines

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole."""
        response = http.client.HTTPResponse(_Borrowed(self._file), method=method)  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = response.read()
        return Answer(response.status, headers, body, {10: "HTTP/1.0", 11: "HTTP/1.1"}[response.version])

    def finish(self) -> None:
        """Send no more, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End it the hard way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class _Borrowed:
    """What http.client wants to see of a socket."""

    def __init__(self, file: _Kept) -> None:
        self._file = file

    def makefile(self, mode: str) -> _Kept:
        """The file it may read."""
        return self._file


def connect(
    test: ProcessTestCase,
    port: int,
    context: ssl.SSLContext | None = None,
    serverName: str = "example.localhost",
) -> Conversation:
    """Connect to a port of loopback, with TLS if there is a context for it."""
    connection = socket.create_connection(("127.0.0.1", port), LIMIT)
    test.addCleanup(connection.close)
    if context is not None:
        connection = context.wrap_socket(connection, server_hostname=serverName, suppress_ragged_eofs=False)
        test.addCleanup(connection.close)
    return Conversation(connection)


class Hand:
    """A backend that the test plays by hand."""

    def __init__(self, test: ProcessTestCase, path: Path | None = None) -> None:
        self._test = test
        self._listening = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
        test.addCleanup(self._listening.close)
        self._listening.settimeout(LIMIT)
        self._listening.bind(("127.0.0.1", 0) if path is None else str(path))
        self._listening.listen()
        self.port: int = self._listening.getsockname()[1] if path is None else 0

    def accept(self) -> Conversation:
        """The next connection."""
        connection, _ = self._listening.accept()
        self._test.addCleanup(connection.close)
        return Conversation(connection)

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()
