"""The gateway's side of TLS, seen by real clients."""

from __future__ import annotations

import gc
import socket
import ssl
from pathlib import Path
from unittest import mock

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.trust import contexts as contextsModule
from diglett.trust import server as serverModule
from diglett.trust.authority import LocalAuthority
from diglett.trust.contexts import makeContext, peerCertificate, protocolOf, serverNameOf
from diglett.trust.credentials import Credentials, loadCredentials
from diglett.trust.pins import pinOf
from diglett.trust.server import ServerContexts
from diglett.wire import frames
from tests.trust.shaking import anyClient, credentialsOf, move, say, shake, standardContext, standardShake

VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)


def namesOf(certificate: x509.Certificate) -> list[str]:
    """Give the DNS names of a certificate."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


class ServerCase(SynchronousTestCase):
    """Servers and what they show."""

    authority: LocalAuthority

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.ca = trustme.CA()

    def local(self) -> LocalAuthority:
        return LocalAuthority.open(Path(self.mktemp()), self.clock.seconds)

    def issue(self, *names: str) -> Credentials:
        return credentialsOf(self.ca.issue_cert(*names))

    def shown(self, contexts: ServerContexts, name: str | None) -> list[str]:
        """Give the names of the certificate a client sees that asks for `name`, in both versions."""
        seen = []
        for version in VERSIONS:
            client, server = anyClient(name, version=version), contexts.connection()
            self.assertTrue(shake(client, server).good)
            certificate = peerCertificate(client)
            assert certificate is not None
            seen.append(namesOf(certificate))
        self.assertEqual(seen[0], seen[1])
        return seen[0]


class SelectionTests(ServerCase):
    """Which certificate is shown."""

    def test_byName(self) -> None:
        """The exact name wins over the wildcard, the wildcard over the default."""
        credentials = [
            self.issue("first.org"),
            self.issue("*.gateway.com", "gateway.com"),
            self.issue("special.gateway.com"),
        ]
        contexts = ServerContexts(credentials, domain="gateway.com")
        for name, expected in {
            "gateway.com": ["*.gateway.com", "gateway.com"],
            "example.gateway.com": ["*.gateway.com", "gateway.com"],
            "EXAMPLE.Gateway.com": ["*.gateway.com", "gateway.com"],
            "special.gateway.com": ["special.gateway.com"],
            "a.b.gateway.com": ["first.org"],
            "unknown.net": ["first.org"],
            "com": ["first.org"],
        }.items():
            self.assertEqual(sorted(self.shown(contexts, name)), expected, name)

    def test_noName(self) -> None:
        """A client without SNI, as for an address, gets the default."""
        contexts = ServerContexts([self.issue("first.org"), self.issue("second.org")])
        self.assertEqual(self.shown(contexts, None), ["first.org"])

    def test_sameName(self) -> None:
        """Of two certificates with a name the first one is shown."""
        first, second = self.issue("a.org"), self.issue("a.org", "b.org")
        contexts = ServerContexts([first, second])
        self.assertEqual(self.shown(contexts, "a.org"), ["a.org"])
        self.assertEqual(sorted(self.shown(contexts, "b.org")), ["a.org", "b.org"])

    def test_chain(self) -> None:
        """Intermediate certificates are sent along."""
        leaf = self.ca.create_child_ca().issue_cert("a.org")
        client, server = anyClient(), ServerContexts([credentialsOf(leaf)]).connection()
        self.assertTrue(shake(client, server).good)
        self.assertEqual(len(client.get_peer_cert_chain() or ()), 2)

    def test_local(self) -> None:
        """The local CA vouches for each name below the domain, when it is asked for."""
        contexts = ServerContexts(authority=self.local())
        self.assertEqual(self.shown(contexts, "example.localhost"), ["example.localhost"])
        self.assertEqual(self.shown(contexts, "a.b.localhost"), ["a.b.localhost"])

    def test_localDefault(self) -> None:
        """Localhost, addresses and strangers get one certificate with all names of this machine."""
        self.patch(socket, "gethostname", lambda: "box")
        contexts = ServerContexts(authority=self.local(), domain="gateway.com")
        expected = ["gateway.com", "localhost", "box"]
        for name in (None, "localhost", "gateway.com", "box", "other.org", "notgateway.com"):
            self.assertEqual(self.shown(contexts, name), expected, name)
        self.assertEqual(contexts.names, tuple(expected))

    def test_badNames(self) -> None:
        """Names that cannot be host names get the default, and do no harm."""
        contexts = ServerContexts(authority=self.local(), localNames=["localhost"])
        for name in ("a_b.localhost", "*.localhost", "-.localhost", "x" * 64 + ".localhost",
                     ".localhost", "\x80\xff.localhost", "a b.localhost"):  # fmt: skip
            self.assertEqual(self.shown(contexts, name), ["localhost"], name)

    def test_both(self) -> None:
        """With certificates and the local CA, each vouches for what it can, strangers get the first."""
        contexts = ServerContexts(
            [self.issue("gateway.com")], self.local(), "gateway.com", localNames=["localhost"]
        )
        self.assertEqual(self.shown(contexts, "gateway.com"), ["gateway.com"])
        self.assertEqual(self.shown(contexts, "a.gateway.com"), ["a.gateway.com"])
        self.assertEqual(self.shown(contexts, "localhost"), ["localhost"])
        self.assertEqual(self.shown(contexts, "a.localhost"), ["gateway.com"])
        self.assertEqual(self.shown(contexts, None), ["gateway.com"])

    def test_nothing(self) -> None:
        """Without certificate and CA there is nothing to show, and that is said at the start."""
        self.assertIn("--certificate", str(self.assertRaises(UsageError, ServerContexts)))

    def test_limit(self) -> None:
        """Visitors who ask for many names do not fill the memory."""
        contexts = ServerContexts(authority=self.local(), leafLimit=3)
        for number in range(10):
            self.shown(contexts, f"n{number}.localhost")
        assert contexts._leaves is not None
        self.assertEqual(len(contexts._leaves), 3)

    def test_renewal(self) -> None:
        """Local certificates are made anew while the gateway runs, the default one too."""
        contexts = ServerContexts(authority=self.local(), clock=self.clock.seconds)
        ends = []
        for _ in range(2):
            for name in (None, "a.localhost"):
                client = anyClient(name)
                self.assertTrue(shake(client, contexts.connection()).good)
                certificate = peerCertificate(client)
                assert certificate is not None
                ends.append(certificate.not_valid_after_utc)
            self.clock.advance(80 * 86400)
        self.assertEqual(ends[0], ends[1])
        self.assertEqual(ends[2], ends[3])
        self.assertGreater(ends[2], ends[0])

    def test_trouble(self) -> None:
        """When making a certificate fails, the default is shown and the trouble is logged."""
        contexts = ServerContexts(authority=self.local(), localNames=["localhost"])
        client, server = anyClient("a.localhost"), contexts.connection()
        with mock.patch.object(LocalAuthority, "issue", side_effect=OSError("no entropy")):
            with self.assertLogs("diglett.trust.server", "ERROR") as logged:
                self.assertTrue(shake(client, server).good)
        self.assertIn("no entropy", logged.output[0])
        certificate = peerCertificate(client)
        assert certificate is not None
        self.assertEqual(namesOf(certificate), ["localhost"])

    def test_fingerprint(self) -> None:
        """The fingerprint is that of the key a client sees, for every local name the same."""
        contexts = ServerContexts(authority=self.local())
        for name in (None, "a.localhost", "b.localhost"):
            client = anyClient(name)
            shake(client, contexts.connection())
            certificate = peerCertificate(client)
            assert certificate is not None
            self.assertEqual(pinOf(certificate), contexts.fingerprint)
        own = self.issue("a.org")
        self.assertEqual(ServerContexts([own], self.local()).fingerprint, own.pin)


class ProtocolTests(ServerCase):
    """ALPN, versions, and what is switched off."""

    def agreed(self, ours: list[bytes], theirs: list[bytes]) -> bytes | None:
        contexts = ServerContexts([self.issue("a.org"), self.issue("b.org")], alpn=ours)
        found = set()
        for name in ("a.org", "b.org"):  # the second one changes its context on the way
            for version in VERSIONS:
                client, server = anyClient(name, theirs, version), contexts.connection()
                self.assertTrue(shake(client, server).good)
                found |= {protocolOf(client), protocolOf(server)}
        (one,) = found
        return one

    def test_first(self) -> None:
        """The first of ours that the client offers is agreed on, whatever the client prefers."""
        self.assertEqual(self.agreed([b"http/1.1", b"diglett/2"], [b"diglett/2"]), b"diglett/2")
        self.assertEqual(
            self.agreed([b"http/1.1", b"diglett/2"], [b"h2", b"diglett/2", b"http/1.1"]),
            b"http/1.1",
        )

    def test_none(self) -> None:
        """A client that offers nothing is served without ALPN."""
        self.assertIsNone(self.agreed([b"diglett/2"], []))

    def test_noOverlap(self) -> None:
        """So is one that offers only others: the caller says in words what that means."""
        self.assertIsNone(self.agreed([b"http/1.1"], [b"h2"]))

    def test_unused(self) -> None:
        """A server without protocols agrees on none."""
        self.assertIsNone(self.agreed([], [b"h2"]))

    def test_constant(self) -> None:
        """Trust and wire mean the same protocol; they may not import each other."""
        self.assertEqual(contextsModule.DIGLETT, frames.ALPN)

    def test_versions(self) -> None:
        """TLS 1.3 is preferred, 1.2 accepted, and 1.1 refused."""
        contexts = ServerContexts([self.issue("a.org")])
        client = anyClient()
        shake(client, contexts.connection())
        self.assertEqual(client.get_protocol_version_name(), "TLSv1.3")
        client = anyClient(version=SSL.TLS1_2_VERSION)
        self.assertTrue(shake(client, contexts.connection()).good)
        client = anyClient(version=SSL.TLS1_1_VERSION, ciphers=b"ALL:@SECLEVEL=0")
        self.assertIn("unsupported protocol", str(shake(client, contexts.connection()).server))

    def test_ciphers(self) -> None:
        """TLS 1.2 without forward secrecy or authenticated encryption is refused."""
        for kind, ciphers in (
            (trustme.KeyType.RSA, b"AES128-GCM-SHA256"),
            (trustme.KeyType.ECDSA, b"ECDHE-ECDSA-AES128-SHA256"),
        ):
            own = credentialsOf(self.ca.issue_cert("a.org", key_type=kind))
            lax = SSL.Connection(makeContext(own, modern=False), None)
            lax.set_accept_state()
            for server, expected in ((ServerContexts([own]).connection(), False), (lax, True)):
                client = anyClient(version=SSL.TLS1_2_VERSION, ciphers=ciphers)
                self.assertEqual(shake(client, server).good, expected)

    def test_renegotiation(self) -> None:
        """A client cannot make the server shake hands again."""
        client = anyClient(version=SSL.TLS1_2_VERSION)
        server = ServerContexts([self.issue("a.org")]).connection()
        self.assertTrue(shake(client, server).good)
        before = server.total_renegotiations()
        client.renegotiate()
        try:
            client.do_handshake()
        except SSL.WantReadError:
            pass
        move(client, server)
        self.assertRaises(SSL.WantReadError, server.recv, 1)
        move(server, client)
        self.assertRaises(SSL.Error, client.do_handshake)
        self.assertEqual(server.total_renegotiations(), before)

    def test_serverName(self) -> None:
        """The name asked for is known after the handshake, in lower case, if there is one."""
        contexts = ServerContexts(authority=self.local())
        for given, expected in {
            "Example.LOCALHOST": "example.localhost",
            "example.localhost.": "example.localhost",
            None: None,
            "\xff": None,
        }.items():
            server = contexts.connection()
            client = anyClient(given)
            self.assertTrue(shake(client, server).good)
            self.assertEqual(serverNameOf(server), expected)

    def test_garbage(self) -> None:
        """Bytes that are no TLS are an SSL error, nothing else."""
        contexts = ServerContexts(authority=self.local(), alpn=[b"diglett/2"])
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"digl\x01" + bytes(33), b"\x16\x03\x01\xff\xff"):
            server = contexts.connection()
            server.bio_write(data + bytes(70000))
            self.assertRaises(SSL.Error, server.do_handshake)


class ReloadTests(ServerCase):
    """Certificates that change on disk."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.write("old.org")

    def write(self, name: str) -> None:
        leaf = self.ca.issue_cert(name)
        leaf.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "both.pem"))

    def contexts(self) -> ServerContexts:
        return ServerContexts([loadCredentials(self.folder / "both.pem")])

    def test_unchanged(self) -> None:
        """Nothing happens when nothing changed."""
        self.assertFalse(self.contexts().reload())

    def test_changed(self) -> None:
        """New connections see the new certificate; the old ones go on."""
        contexts = self.contexts()
        client, server = anyClient(), contexts.connection()
        shake(client, server)
        fingerprint = contexts.fingerprint
        self.write("new.org")
        self.assertTrue(contexts.reload())
        self.assertEqual(self.shown(contexts, None), ["new.org"])
        self.assertNotEqual(contexts.fingerprint, fingerprint)
        self.assertEqual(say(client, server, b"still here"), b"still here")

    def test_during(self) -> None:
        """A handshake that began before a reload ends well after it, even with a second hello."""

        def oneGroup(*arguments: object, **options: object) -> SSL.Context:
            context = makeContext(*arguments, **options)  # type: ignore[arg-type]
            context.set_tmp_ecdh(ec.SECP521R1())  # not what clients guess, hence a retry
            return context

        self.patch(serverModule, "makeContext", oneGroup)
        for name in (None, "old.org"):
            self.write("old.org")
            contexts = self.contexts()
            client, server = anyClient(name), contexts.connection()
            self.assertRaises(SSL.WantReadError, client.do_handshake)
            move(client, server)
            self.assertRaises(SSL.WantReadError, server.do_handshake)
            self.write("new.org")
            self.assertTrue(contexts.reload())
            gc.collect()
            self.assertTrue(shake(client, server).good)
            self.assertEqual(say(client, server, b"done"), b"done")

    def test_broken(self) -> None:
        """A broken file is reported, and what was there stays."""
        contexts = self.contexts()
        (self.folder / "both.pem").write_text("half a fi")
        self.assertRaises(UsageError, contexts.reload)
        self.assertEqual(self.shown(contexts, None), ["old.org"])
        self.write("new.org")
        self.assertTrue(contexts.reload())


class StandardLibraryTests(ServerCase):
    """Python's own ssl module, which shares no code with ours, as the client."""

    def test_trusted(self) -> None:
        """With ca.pem alone it accepts example.localhost, localhost and addresses."""
        authority = LocalAuthority.open(Path(self.mktemp()))
        contexts = ServerContexts(authority=authority, alpn=[b"http/1.1", b"diglett/2"])
        trusting = standardContext(authority.certificateFile)
        for name in ("example.localhost", "localhost", "127.0.0.1", "::1"):
            client = standardShake(name, trusting, contexts.connection())
            self.assertEqual(client.selected_alpn_protocol(), "http/1.1")

    def test_untrusted(self) -> None:
        """It accepts neither a foreign name nor another CA."""
        authority, other = (LocalAuthority.open(Path(self.mktemp())) for _ in range(2))
        contexts = ServerContexts(authority=authority)
        for name, file in (
            ("example.com", authority.certificateFile),
            ("example.localhost", other.certificateFile),
        ):
            self.assertRaises(
                ssl.SSLCertVerificationError,
                standardShake,
                name,
                standardContext(file),
                contexts.connection(),
            )
