"""What the tests of all registrars share: contexts, certificates, visitors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger, formatEvent, globalLogPublisher
from zope.interface.verify import verifyObject

from diglett.extensions import openRegistrars
from diglett.gateway.service import DRAIN_LIMIT
from diglett.interfaces import IRegistrar, PluginContext
from diglett.publishing import Publication, Publisher
from diglett.registrar import routing
from diglett.registrar.probing import _AnyCertificate
from tests.integration.backends import Backend, WebSocketClient
from tests.integration.components import LIMIT, ComponentTestCase, Running, freePort, reactor

DOMAIN = "gateway.test"


class RegistrarTestCase(ComponentTestCase):
    """A publisher with one registrar, made of its string as the gateway does it."""

    def setUp(self) -> None:
        super().setUp()
        self.events: list[Any] = []
        self.log = Logger("test", observer=self._noted)
        # Whatever this machine has at the usual port is not the proxy of this test.
        self.patch(routing, "FRONT", f"https://127.0.0.1:{freePort()}")
        self.certificate()

    def _noted(self, event: Any) -> None:
        self.events.append(event)
        globalLogPublisher(event)

    def certificate(self) -> None:
        """A wildcard certificate for the proxy: `wild.pem`, `wild.key`, and both in `bundle.pem`."""
        authority = trustme.CA()
        issued = authority.issue_cert(f"*.{DOMAIN}", DOMAIN)
        self.authority = authority
        key = issued.private_key_pem.bytes()
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        (self.folder / "wild.pem").write_bytes(chain)
        (self.folder / "wild.key").write_bytes(key)
        (self.folder / "bundle.pem").write_bytes(chain + key)

    def backendTls(self, name: str) -> CertificateOptions:
        """The TLS of a backend of its own, to be passed through to."""
        issued = self.authority.issue_cert(f"{name}.{DOMAIN}")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        path = self.folder / f"{name}-own.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        context.use_certificate_chain_file(str(path))
        context.use_privatekey_file(str(path))

        class Fixed(CertificateOptions):
            def getContext(self) -> SSL.Context:
                return context

        return Fixed()

    def context(self, gateway: str = "g1", state: str = "state") -> PluginContext:
        """What the gateway gives its plugins."""
        folder = self.folder / state
        folder.mkdir(exist_ok=True)
        return PluginContext(reactor, folder, DOMAIN, gateway, self.log)

    async def publisher(
        self, *specs: str, gateway: str = "g1", state: str = "state", start: bool = True
    ) -> Publisher:
        """A started publisher with the registrars of these strings; stopped after the test."""
        registrars = openRegistrars(specs, self.context(gateway, state))
        for _, registrar in registrars:
            verifyObject(IRegistrar, registrar)
        publisher = Publisher(registrars, reactor, log=self.log)
        self.addCleanup(publisher.stop)
        if start:
            await publisher.start()
        return publisher

    def backend(self, name: str, **options: Any) -> Backend:
        """Something to publish."""
        return Backend(self, name, DOMAIN, **options)

    async def publish(self, publisher: Publisher, backend: Backend) -> Publication:
        """Publish it."""
        return await publisher.publish(backend.registration)

    async def visit(self, port: int, name: str, scheme: str = "https", path: str = "/") -> tuple[int, str]:
        """Fetch a name through the proxy at `port`."""
        host = f"{name}.{DOMAIN}"
        return await self.fetch(f"{scheme}://{host}:{port}{path}", "--resolve", f"{host}:{port}:127.0.0.1")

    async def gone(self, port: int, name: str, statuses: tuple[int, ...] = (404,), scheme: str = "https") -> float:
        """Wait until the proxy does not route the name any more; the seconds that took.

        A gateway that stops serves connections which the proxy keeps open until its time for that is over.
        """

        async def answer() -> bool:
            return (await self.visit(port, name, scheme))[0] in statuses

        return await self.until(f"{name} is gone", answer, DRAIN_LIMIT + LIMIT)

    async def streams(self, port: int, name: str) -> None:
        """See that the proxy passes on what it has, without waiting for more."""
        host = f"{name}.{DOMAIN}:{port}"
        arguments = ("--silent", "--insecure", "--no-buffer", "--max-time", "1", "--resolve", f"{host}:127.0.0.1")
        _, output = await self.run_("curl", *arguments, f"https://{host}/stream")
        self.assertEqual(output, "first")

    async def webSocket(self, port: int, name: str, tls: bool = True) -> WebSocketClient:
        """A visitor whose connection was upgraded, and who got an echo."""
        endpoint: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        fqdn = f"{name}.{DOMAIN}"
        if tls:
            endpoint = wrapClientTLS(_AnyCertificate(fqdn), endpoint)
        client = await endpoint.connect(Factory.forProtocol(lambda: WebSocketClient(fqdn)))
        self.addCleanup(lambda: None if client.closed else client.transport.abortConnection())
        await self.until("the connection is upgraded", lambda: b"101 " in client.received)
        await self.echo(client, b"hello")
        return client

    async def echo(self, client: WebSocketClient, text: bytes) -> None:
        """See that the connection is still good in both directions."""
        self.assertFalse(client.closed, "the connection was closed")
        client.transport.write(text)
        await self.until("an echo", lambda: client.closed or client.received.endswith(text), 5)
        self.assertFalse(client.closed, "the connection was closed")

    async def family(self, running: Running) -> list[int]:
        """The processes of a program: itself, and those it has started."""
        _, output = await self.run_("ps", "-A", "-o", "pid=,ppid=")
        parents = {int(pid): int(parent) for pid, parent in map(str.split, output.splitlines())}
        family = [running.transport.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def everythingLogged(self) -> list[str]:
        """What is logged from now on by anybody, libraries too; a list that grows."""
        lines: list[str] = []

        def note(event: Any) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        return lines

    def logged(self) -> str:
        """What the operator reads."""
        return "\n".join(event["log_format"].format(**event) for event in self.events)

    def write(self, name: str, text: str) -> Path:
        """A configuration file in the folder of this test."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
