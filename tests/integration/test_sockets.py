"""WebSockets and server-sent events: what goes on for as long as both sides like."""

from __future__ import annotations

import random
import socket
import ssl
import time
from typing import Any

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connectWebSocket

from tests.integration.components import LIMIT
from tests.integration.programs.site import EVENTS
from tests.integration.services import python
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import connect, curl


class WebSocketTests(TunnelTestCase):
    """A WebSocket server and a client library, neither of them ours."""

    def chat(self, gateway: Gateway, secure: bool = True) -> ClientConnection:
        """Open a socket through one of the fronts."""
        port, scheme = (gateway.https, "wss") if secure else (gateway.http, "ws")
        connection: socket.socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self.addCleanup(connection.close)
        context: ssl.SSLContext | None = gateway.context() if secure else None
        options: dict[str, Any] = {"ssl": context, "sock": connection, "compression": None, "max_size": 16 << 20}
        chat: ClientConnection = connectWebSocket(f"{scheme}://example.localhost:{port}/chat", **options)
        return chat

    def test_messages(self) -> None:
        """Texts and bytes of all sizes are said again; a megabyte and more in one message as well."""
        gateway = self.tunnel(python(self, "chat"))
        noise = random.Random(5).randbytes
        for secure in (True, False):
            with self.chat(gateway, secure) as chat:
                sizes = (0, 1, 65_536, 1_048_576, 9_000_000)
                for message in ("hello", "ä" * 600_000, *map(noise, sizes)):
                    chat.send(message)
                    self.assertEqual(chat.recv(LIMIT), message)

    def test_many(self) -> None:
        """Thousands of small messages in a row keep their order."""
        gateway = self.tunnel(python(self, "chat"))
        with self.chat(gateway) as chat:
            for number in range(2000):
                chat.send(str(number))
            self.assertEqual([chat.recv(LIMIT) for _ in range(2000)], list(map(str, range(2000))))

    def test_closes(self) -> None:
        """Either side's close arrives at the other with its code and reason."""
        gateway = self.tunnel(python(self, "chat"))
        with self.chat(gateway) as chat:
            chat.send("goodbye")
            with self.assertRaises(ConnectionClosedError) as caught:
                chat.recv(LIMIT)
            self.assertEqual((caught.exception.rcvd.code, caught.exception.rcvd.reason), (4001, "as you wish"))
        chat = self.chat(gateway)
        chat.close(1000, "enough")
        received = chat.protocol.close_rcvd
        assert received is not None
        self.assertEqual((received.code, received.reason), (1000, "enough"))
        self.assertRaises(ConnectionClosedOK, chat.recv)

    def test_beside(self) -> None:
        """An open socket does not keep others waiting, and survives when its visitor says nothing for a while."""
        gateway = self.tunnel(python(self, "chat"))
        with self.chat(gateway) as first, self.chat(gateway, False) as second:
            for chat in (second, first, second):
                chat.send("now")
                self.assertEqual(chat.recv(LIMIT), "now")
            self.assertTrue(chat.ping().wait(LIMIT))
            self.assertIn(b"A page", curl(self, gateway, gateway.url("example")).body)


class EventTests(TunnelTestCase):
    """Server-sent events."""

    def test_notBuffered(self) -> None:
        """Each event has arrived before the next is sent: their times of leaving and arriving interlock."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        for visitor in (connect(self, gateway.https, gateway.context()), connect(self, gateway.http)):
            visitor.send(b"GET /events HTTP/1.0\r\nHost: example.localhost\r\n\r\n")
            self.assertEqual(visitor.head()[0], "HTTP/1.1 200 OK")
            times = []
            for number in range(EVENTS):
                self.assertEqual(visitor.line(), b"id: %d\n" % number)
                times.append(float(visitor.line().partition(b": ")[2]))
                times.append(time.time())
                self.assertEqual(visitor.line(), b"\n")
                acknowledged = curl(self, gateway, gateway.url("example", "/acknowledge"), "--data", "")
                self.assertEqual(acknowledged.status, 200)
            self.assertEqual(visitor.rest(), b"")
            self.assertEqual(times, sorted(times))
