"""Client certificates, as the gateway sees them."""

from __future__ import annotations

from pathlib import Path

import trustme
from cryptography import x509
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.trust.authority import LocalAuthority
from diglett.trust.clients import clientNameOf
from diglett.trust.contexts import DIGLETT, HTTP
from diglett.trust.credentials import Credentials
from diglett.trust.server import ServerContexts
from tests.trust.forging import named
from tests.trust.shaking import Outcome, anyClient, credentialsOf, shake

VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)


class ClientsTests(SynchronousTestCase):
    """A gateway that knows an authority for agents."""

    def setUp(self) -> None:
        self.agents = trustme.CA()
        self.file = Path(self.mktemp())
        self.agents.cert_pem.write_to_path(str(self.file))
        self.own = credentialsOf(trustme.CA().issue_cert("gateway.com"))
        self.agent = named(self.agents, ["ann"])

    def contexts(self, *, required: bool = False, protocol: bytes | None = None) -> ServerContexts:
        return ServerContexts(
            [self.own],
            LocalAuthority.open(Path(self.mktemp())),
            alpn=[HTTP, DIGLETT],
            clientAuthorities=self.file,
            clientsRequired=required,
            clientProtocol=protocol,
        )

    def dial(
        self,
        contexts: ServerContexts,
        credentials: Credentials | None,
        *,
        alpn: bytes = DIGLETT,
        version: int | None = None,
        name: str | None = None,
    ) -> tuple[Outcome, SSL.Connection, SSL.Connection]:
        server = contexts.connection()
        client = anyClient(name, [alpn], version, credentials)
        return shake(client, server), client, server

    def test_optional(self) -> None:
        """With a certificate the agent has its name, without one it has none."""
        for version in VERSIONS:
            for credentials, name in ((self.agent, "ann"), (None, None)):
                outcome, _, server = self.dial(self.contexts(), credentials, version=version)
                self.assertTrue(outcome.good)
                self.assertEqual(clientNameOf(server), name)

    def test_required(self) -> None:
        """When it is required, an agent without one does not get through the handshake."""
        contexts = self.contexts(required=True)
        for version in VERSIONS:
            self.assertTrue(self.dial(contexts, self.agent, version=version)[0].good)
            outcome, _, server = self.dial(contexts, None, version=version)
            self.assertIn("did not return a certificate", str(outcome.server))

    def test_foreign(self) -> None:
        """A certificate of somebody else's ends the handshake even when none is required."""
        stranger = named(trustme.CA(), ["ann"])
        for version in VERSIONS:
            outcome, _, _ = self.dial(self.contexts(), stranger, version=version)
            self.assertIn("certificate verify failed", str(outcome.server))

    def test_everyCertificate(self) -> None:
        """It holds for each certificate of the gateway, the local CA's among them."""
        contexts = self.contexts(required=True)
        for name in ("gateway.com", "localhost", "a.localhost", None):
            outcome, _, server = self.dial(contexts, self.agent, name=name)
            self.assertTrue(outcome.good)
            self.assertEqual(clientNameOf(server), "ann")
            self.assertFalse(self.dial(contexts, None, name=name)[0].good)

    def test_protocol(self) -> None:
        """On a port shared with browsers only agents are asked."""
        contexts = self.contexts(required=True, protocol=DIGLETT)
        for version in VERSIONS:
            outcome, client, server = self.dial(contexts, None, alpn=HTTP, version=version)
            self.assertTrue(outcome.good)
            self.assertFalse(self.dial(contexts, None, version=version)[0].good)
            outcome, client, server = self.dial(contexts, self.agent, version=version)
            self.assertTrue(outcome.good)
            self.assertEqual(clientNameOf(server), "ann")

    def test_told(self) -> None:
        """The client learns whose certificates are wanted, so that it can choose."""
        _, client, _ = self.dial(self.contexts(), None, version=SSL.TLS1_2_VERSION)
        (wanted,) = client.get_client_ca_list()
        organization = dict(wanted.get_components())[b"O"]
        self.assertIn(b"trustme", organization)

    def test_names(self) -> None:
        """The name is the only common name, else the first e-mail address, else the first DNS name."""
        mail, dns = x509.RFC822Name("ann@example.com"), x509.DNSName("ann.example.com")
        address = x509.DirectoryName(self.agent.leaf.subject)
        for credentials, name in (
            (named(self.agents, ["ann"], [mail]), "ann"),
            (named(self.agents, ["ann", "admin"], [mail]), None),
            (named(self.agents, [], [dns, mail]), "ann@example.com"),
            (named(self.agents, [], [dns]), "ann.example.com"),
            (named(self.agents, [], [address]), None),
            (named(self.agents, []), None),
        ):
            outcome, _, server = self.dial(self.contexts(), credentials)
            self.assertTrue(outcome.good)
            self.assertEqual(clientNameOf(server), name)

    def test_reloaded(self) -> None:
        """Another authority in the file counts after a reload."""
        contexts, other = self.contexts(), trustme.CA()
        other.cert_pem.write_to_path(str(self.file))
        newcomer = named(other, ["bob"])
        self.assertFalse(self.dial(contexts, newcomer)[0].good)
        self.assertTrue(contexts.reload())
        self.assertTrue(self.dial(contexts, newcomer)[0].good)
        self.assertFalse(self.dial(contexts, self.agent)[0].good)
        self.assertFalse(contexts.reload())

    def test_badFile(self) -> None:
        """A file without certificates is refused at the start."""
        self.file.write_text("nothing")
        error = self.assertRaises(UsageError, self.contexts)
        self.assertIn("no PEM certificate", str(error))
