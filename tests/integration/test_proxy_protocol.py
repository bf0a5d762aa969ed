"""The PROXY protocol as haproxy and nginx speak it, to us and from us."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

import trustme
from twisted.internet.endpoints import HostnameEndpoint, clientFromString, connectProtocol, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from diglett.peek.proxy import BadProxyHeader, ProxyInfo, ProxyReader, encodeProxyV1, encodeProxyV2
from tests.integration.components import ComponentTestCase, Running, freePort, reactor

SAID = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
LIMITS = "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"


class Receiver(Protocol):
    """Reads the header, and keeps what follows."""

    factory: Any

    def connectionMade(self) -> None:
        self.reader = ProxyReader()
        self.info: ProxyInfo | None = None
        self.behind = b""

    def dataReceived(self, data: bytes) -> None:
        if self.info is None:
            try:
                self.info = self.reader.feed(data)
            except BadProxyHeader as error:
                self.factory.refused.append(error)
                self.transport.abortConnection()
                return
            if self.info is None:
                return
            self.factory.received.append(self)
            data = self.reader.rest
        self.behind += data


class Visitor(Protocol):
    """Says something as soon as it can."""

    def __init__(self, said: bytes = SAID) -> None:
        self.said = said
        self.heard = b""

    def connectionMade(self) -> None:
        self.transport.write(self.said)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


def own(visitor: Visitor) -> tuple[str, int]:
    """Where a visitor comes from."""
    host = visitor.transport.getHost()
    return host.host, host.port


class ProxyProtocolTestCase(ComponentTestCase):
    """A server that expects headers, and programs around it."""

    def setUp(self) -> None:
        super().setUp()
        self.factory: Any = Factory.forProtocol(Receiver)
        self.factory.received = []
        self.factory.refused = []
        port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port: int = port.getHost().port

    async def haproxy(self, text: str, *ports: int) -> Running:
        """Start haproxy with this configuration."""
        config = self.folder / "haproxy.cfg"
        config.write_text(LIMITS + text)
        running = self.spawn("haproxy", "-db", "-f", str(config))
        for port in ports:
            await self.listening(port, running)
        return running

    async def nginx(self, stream: str, *ports: int) -> Running:
        """Start nginx with these servers."""
        config = self.folder / "nginx.conf"
        config.write_text(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
            f"daemon off; master_process off; pid {self.folder}/nginx.pid; error_log stderr;\n"
            f"events {{}} stream {{ {stream} }}\n"
        )
        running = self.spawn("nginx", "-p", str(self.folder), "-c", str(config))
        for port in ports:
            await self.listening(port, running)
        return running

    async def connect(self, description: str, said: bytes = SAID) -> Visitor:
        """Visit; the connection ends with the test."""
        visitor = await connectProtocol(clientFromString(reactor, description), Visitor(said))
        self.addCleanup(visitor.transport.abortConnection)
        return visitor

    async def arrived(self, condition: Any) -> Receiver:
        """Wait for the connection that fulfils the condition; its payload must be whole."""

        def found() -> list[Receiver]:
            self.assertEqual(self.factory.refused, [])
            return [r for r in self.factory.received if condition(r.info) and r.behind == SAID]

        await self.until("the visitor behind the proxy", found)
        return found()[0]


class HaproxyTests(ProxyProtocolTestCase):
    """haproxy in front of us, and behind us."""

    async def check(self, option: str, bind: str = "127.0.0.1") -> None:
        """A visitor's address must come through."""
        port = freePort()
        await self.haproxy(
            f"listen l\n bind {bind}:{port}\n server s 127.0.0.1:{self.port} {option}\n",
            *([port] if bind == "127.0.0.1" else []),
        )
        host = bind.strip("[]").replace(":", r"\:")
        if bind != "127.0.0.1":
            await self.until("IPv6", lambda: _accepts(socket.AF_INET6, ("::1", port)))
        visitor = await self.connect(f"tcp:{host}:{port}")
        receiver = await self.arrived(lambda info: info.source == own(visitor))
        self.assertEqual(receiver.info.destination, (bind.strip("[]"), port))

    async def test_v1(self) -> None:
        """`send-proxy` is read."""
        await self.check("send-proxy")

    async def test_v2(self) -> None:
        """`send-proxy-v2` is read."""
        await self.check("send-proxy-v2")

    async def test_v2Options(self) -> None:
        """A checksum and further options are read, and the checksum is right."""
        await self.check("send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,ssl,cert-key")

    async def test_v1Over6(self) -> None:
        """`send-proxy` for a visitor over IPv6 is read."""
        await self.check("send-proxy", "[::1]")

    async def test_v2Over6(self) -> None:
        """`send-proxy-v2` for a visitor over IPv6 is read."""
        await self.check("send-proxy-v2", "[::1]")

    async def test_authority(self) -> None:
        """What a visitor over TLS asked haproxy for is told."""
        ca = trustme.CA()
        bundle = self.folder / "bundle.pem"
        ca.issue_cert("brave-otter.example").private_key_and_cert_chain_pem.write_to_path(str(bundle))
        port = freePort()
        await self.haproxy(
            f"listen l\n bind 127.0.0.1:{port} ssl crt {bundle}\n"
            f" server s 127.0.0.1:{self.port} send-proxy-v2 proxy-v2-options crc32c,authority,ssl\n",
            port,
        )
        root = trustRootFromCertificates([Certificate.loadPEM(ca.cert_pem.bytes())])
        secure = wrapClientTLS(
            optionsForClientTLS("brave-otter.example", trustRoot=root), HostnameEndpoint(reactor, "127.0.0.1", port)
        )
        visitor = await connectProtocol(secure, Visitor())
        self.addCleanup(visitor.transport.abortConnection)
        receiver = await self.arrived(lambda info: info.source == own(visitor))
        self.assertEqual(receiver.info.authority, "brave-otter.example")

    async def test_unix(self) -> None:
        """A visitor at a Unix socket is unknown to us; version 2 calls it the proxy's own."""
        for option, local in (("send-proxy", False), ("send-proxy-v2", True)):
            path = Path(tempfile.mkdtemp(), "s")  # a socket's path must be short
            self.addCleanup(shutil.rmtree, path.parent)
            await self.haproxy(f"listen l\n bind unix@{path}\n server s 127.0.0.1:{self.port} {option}\n")
            await self.until("the socket", lambda path=path: _accepts(socket.AF_UNIX, str(path)))
            self.factory.received.clear()
            await self.connect(f"unix:{path}")
            receiver = await self.arrived(lambda info: True)
            self.assertEqual(receiver.info, ProxyInfo(local=local))

    async def test_healthCheck(self) -> None:
        """A health check is the proxy's own connection."""
        await self.haproxy(
            f"listen l\n bind 127.0.0.1:{freePort()}\n option tcp-check\n tcp-check send hello\n"
            f" server s 127.0.0.1:{self.port} send-proxy-v2 check inter 100 check-send-proxy\n"
        )
        await self.until("a check", lambda: self.factory.received)
        self.assertEqual(self.factory.refused, [])
        self.assertEqual(self.factory.received[0].info, ProxyInfo(local=True))

    async def test_ours(self) -> None:
        """haproxy accepts what we write, and takes the addresses from it."""
        port = freePort()
        await self.haproxy(
            f"listen l\n bind 127.0.0.1:{port} accept-proxy\n mode http\n"
            " http-request return status 200 content-type text/plain"
            ' lf-string "[%[src] %[src_port] %[dst] %[dst_port]]"\n',
            port,
        )
        for encode in (encodeProxyV1, encodeProxyV2):
            for source, destination in (
                (("192.0.2.7", 51_000), ("198.51.100.1", 443)),
                (("2001:db8::7", 51_000), ("2001:db8::1", 443)),
            ):
                visitor = await self.connect(f"tcp:127.0.0.1:{port}", encode(source, destination) + SAID)
                expected = "[{} {} {} {}]".format(*source, *destination).encode()
                await self.until("the answer", lambda visitor=visitor, e=expected: e in visitor.heard)


class NginxTests(ProxyProtocolTestCase):
    """nginx in front of us, and behind us."""

    async def test_v1(self) -> None:
        """`proxy_protocol on` is read."""
        port = freePort()
        await self.nginx(
            f"server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{self.port}; proxy_protocol on; }}", port
        )
        visitor = await self.connect(f"tcp:127.0.0.1:{port}")
        receiver = await self.arrived(lambda info: info.source == own(visitor))
        self.assertEqual(receiver.info.destination, ("127.0.0.1", port))

    async def test_ours(self) -> None:
        """nginx accepts what we write, and takes the addresses from it."""
        port = freePort()
        told = " ".join(f"$proxy_protocol_{name}" for name in ("addr", "port", "server_addr", "server_port"))
        await self.nginx(f'server {{ listen 127.0.0.1:{port} proxy_protocol; return "[{told}]"; }}', port)
        for encode in (encodeProxyV1, encodeProxyV2):
            for source, destination in (
                (("192.0.2.7", 51_000), ("198.51.100.1", 443)),
                (("2001:db8::7", 51_000), ("2001:db8::1", 443)),
            ):
                visitor = await self.connect(f"tcp:127.0.0.1:{port}", encode(source, destination))
                expected = "[{} {} {} {}]".format(*source, *destination).encode()
                await self.until("the answer", lambda visitor=visitor, e=expected: visitor.heard == e)


def _accepts(family: int, address: Any) -> bool:
    """Whether somebody listens there."""
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0
