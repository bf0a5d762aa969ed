"""The dialling side of TLS: whom it believes, and what it says when it does not."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest import mock

import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import BackendNotTrusted, GatewayNotTrusted, Refused, UsageError
from diglett.trust.authority import LocalAuthority
from diglett.trust.client import BackendTrust, GatewayTrust
from diglett.trust.contexts import protocolOf
from diglett.trust.credentials import Credentials
from diglett.trust.peer import PeerTrust
from diglett.trust.server import ServerContexts
from tests.trust.forging import certificateOf, named, signedByLeaf
from tests.trust.shaking import credentialsOf, move, say, shake

VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
OTHER_PIN = "sha256:" + "A" * 43 + "="


class ClientCase(SynchronousTestCase):
    """A CA, servers it vouches for, and clients that dial them."""

    def setUp(self) -> None:
        self.ca = trustme.CA()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.caFile = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.caFile))

    def issue(self, *names: str, **options: object) -> Credentials:
        return credentialsOf(self.ca.issue_cert(*names, **options))

    def server(self, *credentials: Credentials, version: int | None = None) -> SSL.Connection:
        connection = ServerContexts(credentials, alpn=[b"http/1.1", b"diglett/2"]).connection()
        if version == SSL.TLS1_2_VERSION:
            connection.set_options(SSL.OP_NO_TLSv1_3)
        return connection

    def accepted(self, trust: PeerTrust, *credentials: Credentials) -> SSL.Connection:
        """Assert that TLS 1.2 and 1.3 succeed and carry data; give the last client."""
        for version in VERSIONS:
            server = self.server(*credentials, version=version)
            client = trust.connection()
            outcome = shake(client, server)
            self.assertTrue(outcome.good, outcome)
            trust.verify(client)
            self.assertEqual(say(client, server, b"token"), b"token")
        return client

    def refused(self, trust: PeerTrust, *credentials: Credentials) -> Refused:
        """Assert that TLS 1.2 and 1.3 fail before anything is sent; give what is said about it."""
        found = set()
        for version in VERSIONS:
            server = self.server(*credentials, version=version)
            client = trust.connection()
            outcome = shake(client, server)
            self.assertIsInstance(outcome.client, SSL.Error)
            self.assertIsInstance(outcome.server, SSL.Error)
            assert outcome.client is not None
            explained = trust.explain(outcome.client)
            assert explained is not None
            found.add(str(explained))
        self.assertEqual(len(found), 1, found)
        return explained


class AuthorityTests(ClientCase):
    """Verification by name and authority."""

    def test_right(self) -> None:
        """A certificate for the host from the given authority is accepted."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        client = self.accepted(trust, self.issue("gateway.com"))
        self.assertEqual(protocolOf(client), b"diglett/2")

    def test_wildcard(self) -> None:
        """So is one with a wildcard for it, and spelling does not matter."""
        self.accepted(GatewayTrust("A.Gateway.COM.", ca=self.caFile), self.issue("*.gateway.com"))

    def test_besideUncomparable(self) -> None:
        """A name that nothing can be compared with (a wildcard for a whole zone) is none, and spoils no other."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        self.accepted(trust, self.issue("*.lan", "gateway.com"))
        self.assertIn("no host name that can be compared", str(self.refused(trust, self.issue("*.com"))))

    def test_international(self) -> None:
        """International names are compared as they go over the wire."""
        name = "bücher.example"
        self.accepted(GatewayTrust(name, ca=self.caFile), self.issue("xn--bcher-kva.example"))

    def test_address(self) -> None:
        """An address is looked for among the addresses, and is not sent as SNI."""
        own = self.issue("127.0.0.1", "::1")
        for host in ("127.0.0.1", "::1", "[::1]"):
            trust = GatewayTrust(host, ca=self.caFile)
            self.accepted(trust, own)
            server, client = self.server(own), trust.connection()
            shake(client, server)
            self.assertIsNone(server.get_servername())

    def test_wrongName(self) -> None:
        """A certificate for others is refused, saying for whom it is."""
        own = self.issue("other.com", "10.0.0.1")
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        error = self.refused(trust, own)
        self.assertIsInstance(error, GatewayNotTrusted)
        self.assertIn("is for other.com, 10.0.0.1, not for gateway.com", str(error))
        self.assertIn(own.pin, str(error))

    def test_wrongAddress(self) -> None:
        """A name that looks like the address does not count, nor does another address."""
        error = self.refused(GatewayTrust("127.0.0.1", ca=self.caFile), self.issue("127.0.0.2"))
        self.assertIn("is for 127.0.0.2, not for 127.0.0.1", str(error))

    def test_unknown(self) -> None:
        """A foreign authority is refused, naming host, fingerprint and both cures."""
        leaf = trustme.CA().issue_cert("gateway.com")
        for own in (
            credentialsOf(leaf),
            credentialsOf(trustme.CA().create_child_ca().issue_cert("gateway.com")),
        ):
            error = self.refused(GatewayTrust("gateway.com", ca=self.caFile), own)
            self.assertTrue(error.permanent)
            for part in ("gateway.com is not trusted", "unknown authority", "--ca FILE"):
                self.assertIn(part, str(error))
            self.assertIn(f"--pin {own.pin}", str(error))

    def test_rootSent(self) -> None:
        """A server that sends its own root along is no more trusted for that, and the leaf is named."""
        other = trustme.CA()
        leaf = credentialsOf(other.issue_cert("gateway.com"))
        root = LocalAuthority.open(self.folder / "other").certificate
        own = Credentials((leaf.leaf, certificateOf(other), root), leaf.key)
        error = self.refused(GatewayTrust("gateway.com", ca=self.caFile), own)
        self.assertIn("unknown authority", str(error))
        self.assertIn(own.pin, str(error))

    def test_system(self) -> None:
        """Without a file the machine's authorities count, and only they."""
        own, trust = self.issue("gateway.com"), GatewayTrust("gateway.com")
        self.assertIn("unknown authority", str(self.refused(trust, own)))
        with mock.patch.dict(os.environ, SSL_CERT_FILE=str(self.caFile)):
            self.accepted(GatewayTrust("gateway.com"), own)
            # A file that is given replaces them.
            elsewhere = LocalAuthority.open(self.folder / "local").certificateFile
            self.refused(GatewayTrust("gateway.com", ca=elsewhere), own)

    def test_leafAsAuthority(self) -> None:
        """The gateway's own certificate may be given as the authority."""
        own = self.issue("gateway.com")
        file = self.folder / "leaf.pem"
        file.write_bytes(own.leaf.public_bytes(Encoding.PEM))
        self.accepted(GatewayTrust("gateway.com", ca=file), own)
        self.refused(GatewayTrust("gateway.com", ca=file), self.issue("gateway.com"))

    def test_expired(self) -> None:
        """An expired certificate is refused as such; so is one from the future."""
        now = datetime.now(timezone.utc)
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        past, day = now - timedelta(days=9), timedelta(days=1)
        own = self.issue("gateway.com", not_before=past, not_after=past + day)
        error = self.refused(trust, own)
        self.assertIn("its certificate has expired", str(error))
        self.assertIn(own.pin, str(error))
        own = self.issue("gateway.com", not_before=now + day, not_after=now + 2 * day)
        self.assertIn("not valid yet", str(self.refused(trust, own)))

    def test_clientAsServer(self) -> None:
        """A leaf cannot vouch for another one."""
        first = self.ca.issue_cert("gateway.com")
        forged = signedByLeaf(credentialsOf(first), "victim.com")
        error = self.refused(GatewayTrust("victim.com", ca=self.caFile), forged)
        self.assertIn(forged.pin, str(error))

    def test_noNames(self) -> None:
        """A certificate with a common name alone is for no host."""
        own = named(self.ca, ["gateway.com"])
        error = self.refused(GatewayTrust("gateway.com", ca=self.caFile), own)
        self.assertIn("no host name", str(error))

    def test_badFile(self) -> None:
        """A file that cannot be read is a mistake in the options, not a matter of trust."""
        trust = GatewayTrust("gateway.com", ca=self.folder / "none.pem")
        self.assertIn("none.pem", str(self.assertRaises(UsageError, trust.connection)))

    def test_badHost(self) -> None:
        """A host or a pin that cannot be one is refused before anything is dialled."""
        self.assertRaises(UsageError, GatewayTrust, "gate way")
        self.assertRaises(UsageError, GatewayTrust, "gateway.com", pins=["AAAA"])


class LocalTests(ClientCase):
    """The same user's local CA."""

    def setUp(self) -> None:
        super().setUp()
        self.state = self.folder / "state"
        self.trust = GatewayTrust("localhost", localCa=self.state / "ca.pem")

    def dial(self, contexts: ServerContexts) -> Exception | None:
        client = self.trust.connection()
        outcome = shake(client, contexts.connection())
        return outcome.client and self.trust.explain(outcome.client)

    def test_trusted(self) -> None:
        """A gateway of the same user is trusted without any option."""
        contexts = ServerContexts(authority=LocalAuthority.open(self.state))
        self.assertIsNone(self.dial(contexts))

    def test_late(self) -> None:
        """An agent that was started first trusts the CA made meanwhile, and one made anew."""
        other = ServerContexts(authority=LocalAuthority.open(self.folder / "other"))
        self.assertIsInstance(self.dial(other), GatewayNotTrusted)
        for _ in range(2):
            contexts = ServerContexts(authority=LocalAuthority.open(self.state))
            self.assertIsNone(self.dial(contexts))
            for file in self.state.iterdir():
                file.unlink()
        self.assertIsInstance(self.dial(contexts), GatewayNotTrusted)

    def test_notWithFile(self) -> None:
        """An authority that is given replaces it."""
        contexts = ServerContexts(authority=LocalAuthority.open(self.state))
        self.trust = GatewayTrust("localhost", ca=self.caFile, localCa=self.state / "ca.pem")
        self.assertIsInstance(self.dial(contexts), GatewayNotTrusted)

    def test_besideSystem(self) -> None:
        """It comes beside the system's authorities, not in their place."""
        LocalAuthority.open(self.state)
        with mock.patch.dict(os.environ, SSL_CERT_FILE=str(self.caFile)):
            self.assertIsNone(self.dial(ServerContexts([self.issue("localhost")])))


class PinTests(ClientCase):
    """Verification by pin."""

    def test_right(self) -> None:
        """The pinned key is enough: neither authority nor name nor date matters."""
        past = datetime(2020, 1, 1, tzinfo=timezone.utc)
        day = timedelta(days=1)
        own = self.issue("other.com", not_before=past, not_after=past + day)
        self.accepted(GatewayTrust("gateway.com", pins=[OTHER_PIN, own.pin]), own)
        self.accepted(GatewayTrust("gateway.com", pins=[own.pin.replace(":", "//")]), own)

    def test_wrong(self) -> None:
        """Another key is refused, even one that an authority vouches for."""
        own = self.issue("gateway.com")
        with mock.patch.dict(os.environ, SSL_CERT_FILE=str(self.caFile)):
            trust = GatewayTrust("gateway.com", pins=[OTHER_PIN], ca=self.caFile)
            error = self.refused(trust, own)
        self.assertIn("not the pinned one", str(error))
        self.assertNotIn("--ca", str(error))
        self.assertIn(own.pin, str(error))

    def test_authorityKey(self) -> None:
        """The pin of an authority is not that of the gateway."""
        own = credentialsOf(self.ca.create_child_ca().issue_cert("gateway.com"))
        authority = Credentials(own.chain[1:], None)
        self.refused(GatewayTrust("gateway.com", pins=[authority.pin]), own)

    def test_renewed(self) -> None:
        """The pin of a local gateway holds over restarts and for every name."""
        folder = self.folder / "state"
        pin = ServerContexts(authority=LocalAuthority.open(folder)).fingerprint
        for name in ("localhost", "example.localhost", "127.0.0.1", "elsewhere.org"):
            client = GatewayTrust(name, pins=[pin]).connection()
            contexts = ServerContexts(authority=LocalAuthority.open(folder))
            self.assertTrue(shake(client, contexts.connection()).good)


class VerifyTests(ClientCase):
    """What is called after the handshake."""

    def test_early(self) -> None:
        """Before the handshake nothing is trusted."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        error = self.assertRaises(GatewayNotTrusted, trust.verify, trust.connection())
        self.assertIn("no certificate", str(error))

    def test_strange(self) -> None:
        """A connection that was not judged here is not trusted, whoever it is with."""
        own = self.issue("gateway.com")
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        client = GatewayTrust("gateway.com", pins=[own.pin]).connection()
        self.assertTrue(shake(client, self.server(own)).good)
        self.assertRaises(GatewayNotTrusted, trust.verify, client)

    def test_otherTrust(self) -> None:
        """A connection to somebody else is not trusted by the name of this one."""
        own = self.issue("other.com")
        client = GatewayTrust("other.com", ca=self.caFile).connection()
        self.assertTrue(shake(client, self.server(own)).good)
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        error = self.assertRaises(GatewayNotTrusted, trust.verify, client)
        self.assertIn("not for gateway.com", str(error))

    def test_afterFailure(self) -> None:
        """A failed handshake leaves a connection that does not verify, and the next one is new."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        client = trust.connection()
        shake(client, self.server(self.issue("other.com")))
        self.assertRaises(GatewayNotTrusted, trust.verify, client)
        self.accepted(trust, self.issue("gateway.com"))


class ExplainTests(ClientCase):
    """Which errors are about trust."""

    def test_otherTrouble(self) -> None:
        """A cut connection, a plain server and another error are not."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        client = trust.connection()
        client.bio_write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        plain = self.assertRaises(SSL.Error, client.do_handshake)
        for error in (plain, SSL.SysCallError(-1, "Unexpected EOF"), SSL.ZeroReturnError(),
                      SSL.Error(), ConnectionResetError(), ValueError("x")):  # fmt: skip
            self.assertIsNone(trust.explain(error))

    def test_once(self) -> None:
        """What was wrong with one connection is not said about the next."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        self.refused(trust, self.issue("other.com"))
        self.assertIsNone(trust.explain(SSL.SysCallError(-1, "Unexpected EOF")))
        unexplained = SSL.Error([("SSL routines", "", "certificate verify failed")])
        self.assertNotIn("other.com", str(trust.explain(unexplained)))

    def test_malformed(self) -> None:
        """A certificate that cannot be understood is not trusted, and the error stays in the family."""
        trust = GatewayTrust("gateway.com", ca=self.caFile)
        with mock.patch("diglett.trust.peer.pinOf", side_effect=ValueError("odd key")):
            error = self.refused(trust, self.issue("gateway.com"))
        self.assertIn("cannot be understood (odd key)", str(error))


class ClientCertificateTests(ClientCase):
    """The agent's own certificate, as the agent sees it."""

    def contexts(self) -> ServerContexts:
        agents = self.folder / "agents.pem"
        self.agents = trustme.CA()
        self.agents.cert_pem.write_to_path(str(agents))
        return ServerContexts(
            [self.issue("gateway.com")], clientAuthorities=agents, clientsRequired=True
        )

    def told(self, credentials: Credentials | None) -> Refused:
        """Dial without what the gateway wants, and give what the agent makes of it."""
        contexts = self.contexts()
        trust = GatewayTrust("gateway.com", ca=self.caFile, credentials=credentials)
        client, server = trust.connection(), contexts.connection()
        shake(client, server)
        error = self.assertRaises(SSL.Error, client.recv, 1)
        explained = trust.explain(error)
        assert explained is not None
        return explained

    def test_missing(self) -> None:
        """A gateway that wants a certificate is understood, and it does not help to try again."""
        error = self.told(None)
        self.assertIn("asks agents for a client certificate", str(error))
        self.assertEqual((error.code, error.permanent), ("client-certificate", True))

    def test_foreign(self) -> None:
        """A certificate the gateway does not accept is named as the trouble."""
        error = self.told(credentialsOf(trustme.CA().issue_cert("agent")))
        self.assertIn("does not accept our client certificate: unknown ca", str(error))

    def test_notShown(self) -> None:
        """A gateway that is not trusted does not get to see the agent's certificate."""
        own = credentialsOf(self.ca.issue_cert("agent.example"))
        contexts = ServerContexts([self.issue("other.com")], clientAuthorities=self.caFile)
        trust = GatewayTrust("gateway.com", ca=self.caFile, credentials=own)
        client, server = trust.connection(), contexts.connection()
        self.assertFalse(shake(client, server).good)
        self.assertIsNone(server.get_peer_certificate())


class BackendTests(ClientCase):
    """Backends over TLS."""

    def test_verified(self) -> None:
        """A backend is verified as a gateway is, and spoken to in HTTP/1.1."""
        client = self.accepted(BackendTrust("app.lan", ca=self.caFile), self.issue("app.lan"))
        self.assertEqual(protocolOf(client), b"http/1.1")

    def test_refused(self) -> None:
        """One that is not trusted is an error for its visitor, and not the agent's end."""
        error = self.refused(BackendTrust("app.lan", ca=self.caFile), self.issue("other.lan"))
        self.assertIsInstance(error, BackendNotTrusted)
        self.assertFalse(error.permanent)
        self.assertIn("--backend-insecure", str(error))

    def test_insecure(self) -> None:
        """On demand everybody is believed."""
        own = credentialsOf(trustme.CA().issue_cert("other.lan"))
        self.accepted(BackendTrust("app.lan", insecure=True), own)

    def test_noProtocol(self) -> None:
        """ALPN can be left out."""
        trust = BackendTrust("app.lan", ca=self.caFile, alpn=None)
        self.assertIsNone(protocolOf(self.accepted(trust, self.issue("app.lan"))))

    def test_clientCertificate(self) -> None:
        """A backend that wants a client certificate is not permanent trouble either."""
        contexts = ServerContexts(
            [self.issue("app.lan")], clientAuthorities=self.caFile, clientsRequired=True
        )
        trust = BackendTrust("app.lan", ca=self.caFile)
        client, server = trust.connection(), contexts.connection()
        shake(client, server)
        move(server, client)
        explained = trust.explain(self.assertRaises(SSL.Error, client.recv, 1))
        self.assertIsInstance(explained, BackendNotTrusted)
