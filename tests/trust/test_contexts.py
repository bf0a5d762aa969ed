"""Whom a machine trusts, on each platform."""

from __future__ import annotations

import os
import ssl
import sys
import types
from pathlib import Path
from unittest import mock

import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.trust.contexts import makeContext, trustSystem
from tests.trust.forging import certificateOf
from tests.trust.shaking import credentialsOf, shake


class SystemTests(SynchronousTestCase):
    """The authorities that come with the platform."""

    def setUp(self) -> None:
        self.ca = trustme.CA()
        self.file = Path(self.mktemp())
        self.ca.cert_pem.write_to_path(str(self.file))
        # Whatever this machine trusts is not to play a part.
        nothing = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": "/nonexistent"}
        patch = mock.patch.dict(os.environ, nothing)
        patch.start()
        self.addCleanup(patch.stop)

    def trusts(self, platform: str) -> bool:
        """True if somebody on that platform accepts our CA."""
        context = makeContext()
        context.set_verify(SSL.VERIFY_PEER)
        trustSystem(context, platform)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        server = SSL.Connection(makeContext(credentialsOf(self.ca.issue_cert("a.org"))), None)
        server.set_accept_state()
        return shake(client, server).good

    def test_nobody(self) -> None:
        """Nobody trusts a CA just like that."""
        for platform in ("linux", "freebsd"):
            self.assertFalse(self.trusts(platform))

    def test_file(self) -> None:
        """A list named in the environment counts everywhere."""
        os.environ["SSL_CERT_FILE"] = str(self.file)
        self.assertTrue(self.trusts("linux"))

    def windows(self, *purposes: object) -> None:
        data = certificateOf(self.ca).public_bytes(Encoding.DER)
        entries = [(b"damaged", "x509_asn", True), (b"?", "pkcs_7_asn", True)]
        entries += [(data, "x509_asn", purpose) for purpose in purposes]
        patch = mock.patch.object(ssl, "enum_certificates", lambda store: entries, create=True)
        patch.start()
        self.addCleanup(patch.stop)

    def test_windows(self) -> None:
        """On Windows the system's store is read, and damaged entries are skipped."""
        self.windows(True)
        self.assertTrue(self.trusts("win32"))
        self.windows({ssl.Purpose.SERVER_AUTH.oid})
        self.assertTrue(self.trusts("win32"))
        self.windows({ssl.Purpose.CLIENT_AUTH.oid})
        self.assertFalse(self.trusts("win32"))
        self.windows()
        self.assertFalse(self.trusts("win32"))

    def test_macos(self) -> None:
        """On macOS certifi's list is read if it is installed."""
        certifi = types.SimpleNamespace(where=lambda: str(self.file))
        for module, expected in ((None, False), (certifi, True)):
            with mock.patch.dict(sys.modules, certifi=module):
                self.assertEqual(self.trusts("darwin"), expected)
