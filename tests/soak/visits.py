"""What visitors do: each kind of visit checks every byte it gets, and that what it sent has arrived."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import random
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from urllib.error import URLError

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
)
from wsproto.utilities import LocalProtocolError, ProtocolError

from tests.integration.programs.bulk import blocks, checksum
from tests.integration.visitors import Conversation
from tests.soak.house import Cell
from tests.soak.record import Record

KIB, MIB = 1024, 1024 * 1024


class Corrupted(Exception):
    """Bytes arrived that nobody had sent."""


class Refused(Exception):
    """The gateway, or a backend, answered with another status than 200."""


class Visitor:
    """One who comes again and again. `stay` is the longest an idle stream is held, in seconds."""

    def __init__(self, cell: Cell, record: Record, seed: int, stay: float) -> None:
        self.cell = cell
        self.record = record
        self.random = random.Random(seed)
        self.stay = stay
        self._context: ssl.SSLContext | None = None

    def visit(self, kind: str) -> bool:
        """Make one visit and record how it ended; whether it ended well."""
        try:
            size = VISITS[kind](self)
        except Corrupted as error:
            self.record.corrupt(f"{kind} of {self.cell.name}: {error}")
        except Refused as error:
            self.record.breakOff(kind, str(error))
        except (OSError, EOFError, http.client.HTTPException, ProtocolError, ValueError) as error:
            self.record.breakOff(kind, why(error))
        else:
            if size is None:
                self.record.leave(kind)
            else:
                self.record.finish(kind, size)
            return True
        return False

    def connect(self, port: int, tls: bool = False, name: str = "site") -> socket.socket:
        """Connect to a port of this machine."""
        connection = socket.create_connection(("127.0.0.1", port), 30)
        if tls:
            try:
                return self.context().wrap_socket(
                    connection, server_hostname=f"{name}.localhost", suppress_ragged_eofs=False
                )
            except BaseException:
                connection.close()
                raise
        return connection

    def context(self) -> ssl.SSLContext:
        """Trust of the local CA alone."""
        self._context = self._context or self.cell.house.context()
        return self._context

    def http(self) -> http.client.HTTPConnection:
        """A connection to the site, by one of the fronts."""
        tls = self.random.random() < 0.5
        house = self.cell.house
        client = http.client.HTTPConnection("site.localhost")
        client.auto_open = 0
        client.sock = self.connect(house.https if tls else house.http, tls)
        return client

    def raw(self) -> Conversation:
        """A connection to the raw name's port."""
        return Conversation(self.connect(self.cell.bulkPort()))

    def size(self, most: int) -> int:
        """Small ones are as likely as large ones."""
        return int(2 ** self.random.uniform(0, most.bit_length() - 1))

    def seed(self) -> int:
        """One for `blocks`."""
        return self.random.getrandbits(31)


def why(error: Exception) -> str:
    """A bad end in two words."""
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return why(error.reason)
    if isinstance(error, (ConnectionRefusedError, TimeoutError, ConnectionResetError, BrokenPipeError)):
        return {"ConnectionRefusedError": "refused", "TimeoutError": "timeout"}.get(type(error).__name__, "reset")
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed before an answer"
    if isinstance(error, (http.client.IncompleteRead, EOFError, ssl.SSLEOFError)):
        return "ended early"
    if isinstance(error, (http.client.NotConnected, LocalProtocolError)):
        return "closed between"
    if isinstance(error, OSError) and error.errno == errno.ENOTCONN:
        return "reset"
    return type(error).__name__


def compare(read: Callable[[int], bytes], size: int, seed: int) -> None:
    """Read so many bytes and compare them. Raises EOFError when fewer came, Corrupted when others did."""
    for block in blocks(size, seed):
        view = memoryview(block)
        while view:
            data = read(min(len(view), 64 * KIB))
            if not data:
                raise EOFError
            if data != view[: len(data)]:
                raise Corrupted(f"{size} bytes of seed {seed}")
            view = view[len(data) :]


def answer(client: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """The head of a good answer."""
    response = client.getresponse()
    if response.status != 200:
        raise Refused(str(response.status))
    return response


def download(visitor: Visitor) -> int:
    """An answer of known length."""
    size, seed = visitor.size(4 * MIB), visitor.seed()
    with closing(visitor.http()) as client:
        client.request("GET", f"/bulk?{size},{seed}")
        response = answer(client)
        compare(response.read1, size, seed)
    return size


def upload(visitor: Visitor) -> int:
    """A request whose body the site has counted."""
    size, seed = visitor.size(4 * MIB), visitor.seed()
    with closing(visitor.http()) as client:
        client.request("PUT", "/echo", blocks(size, seed), {"Content-Length": str(size)})
        told = json.loads(answer(client).read())
    if (told["size"], told["sha256"]) != (size, checksum(size, seed)):
        raise Corrupted(f"the site got {told['size']} of {size} bytes of seed {seed}")
    return size


def requests(visitor: Visitor) -> int:
    """Some requests over one connection."""
    return request(visitor, visitor.random.randrange(5, 40))


def request(visitor: Visitor, times: int) -> int:
    """Ask so often; every answer says what was asked."""
    with closing(visitor.http()) as client:
        for _ in range(times):
            word = f"{visitor.seed():x}"
            client.request("POST", f"/echo?{word}", word.encode())
            told = json.loads(answer(client).read())
            if (told["query"], told["sha256"]) != (word, hashlib.sha256(word.encode()).hexdigest()):
                raise Corrupted(f"an answer to {word}: {told}")
            if not visitor.cell.pause(0.1 if times > 1 else 0):
                break
    return 0


def rawDownload(visitor: Visitor) -> int:
    """Bytes from a listening port."""
    size, seed = visitor.size(4 * MIB), visitor.seed()
    conversation = visitor.raw()
    with conversation.socket:
        conversation.send(b"down %d %d\n" % (size, seed))
        compare(conversation.some, size, seed)
        if conversation.some():
            raise Corrupted(f"more than {size} bytes")
    return size


def rawUpload(visitor: Visitor) -> int:
    """Bytes to a listening port, with a half-close behind them."""
    size, seed = visitor.size(4 * MIB), visitor.seed()
    return send(visitor, size, seed, 0)


def rawIdle(visitor: Visitor) -> int:
    """The same bytes, a few at a time."""
    return send(visitor, visitor.random.randrange(4, 400), visitor.seed(), visitor.random.uniform(0, visitor.stay))


def send(visitor: Visitor, size: int, seed: int, seconds: float) -> int:
    """Send over so many seconds; the backend says the checksum."""
    conversation = visitor.raw()
    with conversation.socket:
        conversation.send(b"up\n")
        for block in blocks(size, seed):
            step = len(block) // 4 + 1 if seconds else len(block)
            for start in range(0, len(block), step):
                visitor.cell.pause(seconds / 4)
                conversation.send(block[start : start + step])
        conversation.finish()
        told = conversation.rest()
    if not told:
        raise EOFError
    if told != checksum(size, seed).encode() + b"\n":
        raise Corrupted(f"the backend got something else than {size} bytes of seed {seed}")
    return size


def chat(visitor: Visitor) -> int:
    """Messages of all sizes over a WebSocket."""
    return talk(visitor, visitor.random.randrange(2, 20), 256 * KIB, 0.1)


def chatIdle(visitor: Visitor) -> int:
    """A WebSocket that is held, with a word now and then."""
    return talk(visitor, 4, 100, visitor.random.uniform(0, visitor.stay) / 4)


def talk(visitor: Visitor, messages: int, most: int, seconds: float) -> int:
    """Say something so often, and hear it again."""
    tls = visitor.random.random() < 0.5
    house = visitor.cell.house
    total = 0
    with visitor.connect(house.https if tls else house.http, tls, "chat") as connection:
        chat = Chat(connection)
        for _ in range(messages):
            size = visitor.size(most)
            message = b"".join(blocks(size, visitor.seed()))
            if chat.ask(message) != message:
                raise Corrupted(f"a message of {size} bytes")
            total += size
            if not visitor.cell.pause(seconds):
                break
        chat.leave()
    return total


class Chat:
    """A WebSocket of one thread: reading and writing TLS in two at once, as other clients do, is asking for trouble."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._client = WSConnection(ConnectionType.CLIENT)
        self._send(Request(host="chat.localhost", target="/"))
        event = self._next()
        if isinstance(event, RejectConnection):
            raise Refused(str(event.status_code))
        if not isinstance(event, AcceptConnection):
            raise EOFError

    def ask(self, message: bytes) -> bytes:
        """Send this; the next message."""
        self._send(BytesMessage(message))
        answer = b""
        while True:
            event = self._next()
            if not isinstance(event, BytesMessage):
                raise EOFError
            answer += event.data
            if event.message_finished:
                return answer

    def leave(self) -> None:
        """Close it in good order."""
        self._send(CloseConnection(1000))
        if not isinstance(self._next(), CloseConnection):
            raise EOFError

    def _next(self) -> Event:
        while True:
            for event in self._client.events():
                if isinstance(event, Ping):
                    self._send(event.response())
                elif not isinstance(event, RejectData):
                    return event
            data = self._connection.recv(65_536)
            if not data:
                raise EOFError
            self._client.receive_data(data)

    def _send(self, event: Event) -> None:
        self._connection.sendall(self._client.send(event))


def leave(visitor: Visitor) -> None:
    """Ask for much, see the first part of it, and go: with a reset or politely, from a front or a port."""
    seed = visitor.seed()
    if visitor.random.random() < 0.5:
        conversation = visitor.raw()
        conversation.send(b"down %d %d\n" % (16 * MIB, seed))
    else:
        conversation = Conversation(visitor.http().sock)
        conversation.send(b"GET /bulk?%d,%d HTTP/1.1\r\nHost: site.localhost\r\n\r\n" % (16 * MIB, seed))
        status = conversation.head()[:1]
        if not status or " 200 " not in status[0]:
            conversation.socket.close()
            raise Refused(status[0].split(" ")[1]) if status else EOFError
    try:
        compare(conversation.read, visitor.size(MIB), seed)
    finally:
        if visitor.random.random() < 0.5:
            conversation.reset()
        else:
            conversation.socket.close()


VISITS: dict[str, Callable[[Visitor], int | None]] = {
    "download": download,
    "upload": upload,
    "requests": requests,
    "raw download": rawDownload,
    "raw upload": rawUpload,
    "raw idle": rawIdle,
    "WebSocket": chat,
    "idle WebSocket": chatIdle,
    "leaving": leave,
}
