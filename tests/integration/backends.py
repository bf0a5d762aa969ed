"""What stands in for a tunnel: a small HTTP server on the port of a registration."""

from __future__ import annotations

import json
import socket
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory

from diglett.interfaces import Registration
from tests.integration.components import reactor


class _Http(Protocol):
    """Answers with its name and the request's head, or, asked to upgrade, with an echo."""

    def connectionMade(self) -> None:
        self.head = b""
        self.echoing = False
        self.factory.backend.arrived()
        self.factory.backend.visitors.add(self.transport)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.backend.visitors.discard(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self.echoing:
            self.transport.write(data)
            return
        self.head += data
        if b"\r\n\r\n" not in self.head:
            return
        lines = self.head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        self.head = b""
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines[1:])}
        if headers.get("upgrade"):
            self.echoing = True
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            )
            return
        if " /stream" in lines[0]:  # a part, and no end of it
            self.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            return
        body = json.dumps({"name": self.factory.backend.name, "request": lines[0], "headers": headers}).encode()
        length = len(body)
        if lines[0].startswith("HEAD"):
            body = b""
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (length, body)
        )


class Backend:
    """A tunnel's port; `registration` describes it, and offers what a gateway offers."""

    def __init__(
        self, test: Any, name: str, domain: str, kind: str = "http", context: Any = None, proxied: bool = False
    ) -> None:
        self.name = name
        self.lost: list[str] = []
        self.visitors: set[Any] = set()
        self._reached: list[Deferred[None]] = []
        self._factory = Factory.forProtocol(_Http)
        self._factory.backend = self
        factory: Any = self._factory
        if context is not None:
            from twisted.protocols.tls import TLSMemoryBIOFactory

            factory = TLSMemoryBIOFactory(context, False, self._factory)
        if proxied:  # it closes connections without a PROXY protocol header
            factory = HAProxyWrappingFactory(factory)
        if factory is not self._factory:
            factory = _Noticing(self, factory)
        self._tcp = factory
        self._port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self._adopted: list[_Acceptor] = []
        test.addCleanup(self.close)
        self.registration = Registration(
            name,
            f"{name}.{domain}",
            "127.0.0.1",
            self._port.getHost().port,
            kind=kind,
            proxyProtocol=proxied,
            adopt=self._adopt,
            reached=self._whenReached,
            lose=self.lost.append,
        )

    def arrived(self) -> None:
        """Somebody connected."""
        waiting, self._reached = self._reached, []
        for reached in waiting:
            reached.callback(None)

    def drop(self) -> None:
        """End what came in, as the gateway does when the agent has gone."""
        for visitor in tuple(self.visitors):
            visitor.abortConnection()

    def close(self) -> Any:
        """Listen no more."""
        self.drop()
        for acceptor in self._adopted:
            acceptor.close()
        return self._port.stopListening()

    def _whenReached(self) -> Deferred[None]:
        reached: Deferred[None] = Deferred(lambda _: self._reached.remove(reached))
        self._reached.append(reached)
        return reached

    def _adopt(self, listening: socket.socket) -> Any:
        acceptor = _Acceptor(listening, self._tcp)
        self._adopted.append(acceptor)
        return acceptor.close


class _Acceptor(FileDescriptor):
    """Serves a listening socket; Twisted's own port would insist on the file of one in the file system."""

    def __init__(self, listening: socket.socket, factory: Any) -> None:
        super().__init__(reactor)
        self._listening = listening
        self._factory = factory
        self.startReading()

    def fileno(self) -> int:
        return self._listening.fileno()

    def doRead(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            connection.setblocking(False)
            reactor.adoptStreamConnection(connection.fileno(), connection.family, self._factory)

    def close(self) -> None:
        if self._listening.fileno() >= 0:
            self.stopReading()
            self._listening.close()


class _Noticing(Factory):
    """Tells of an arrival when the connection is made, before any TLS."""

    def __init__(self, backend: Backend, inner: Any) -> None:
        self._backend = backend
        self._inner = inner

    def buildProtocol(self, address: Any) -> Any:
        self._backend.arrived()
        return self._inner.buildProtocol(address)


class WebSocketClient(Protocol):
    """A visitor that upgraded and stays, by way of raw bytes."""

    def __init__(self, fqdn: str) -> None:
        self.fqdn = fqdn
        self.received = b""
        self.closed = False
        self._waiting: list[tuple[bytes, Deferred[None]]] = []

    def connectionMade(self) -> None:
        self.transport.write(
            f"GET /ws HTTP/1.1\r\nHost: {self.fqdn}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.closed = True
