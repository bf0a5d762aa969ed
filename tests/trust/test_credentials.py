"""Certificates and keys from PEM files: what is accepted, and how it fails."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.trust.credentials import MAX_FILE, Credentials, loadCredentials


class CredentialsTests(SynchronousTestCase):
    """A chain and its key."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = trustme.CA()

    def file(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def issue(self, *names: str, **options: object) -> tuple[Path, Path]:
        """Write a certificate for the names and its key."""
        made = self.authority.issue_cert(*names, **options)
        chain = b"".join(pem.bytes() for pem in made.cert_chain_pems)
        return self.file("cert.pem", chain), self.file("key.pem", made.private_key_pem.bytes())

    def refusal(self, *files: Path) -> str:
        return str(self.assertRaises(UsageError, loadCredentials, *files))

    def test_loaded(self) -> None:
        """A chain and its key are read; the names are those of the leaf, in lower case."""
        found = loadCredentials(*self.issue("Example.com", "*.example.com", "127.0.0.1"))
        self.assertEqual(found.names, ("example.com", "*.example.com"))
        self.assertTrue(found.pin.startswith("sha256:"))
        self.assertEqual(found.warnings(), [])

    def test_oneFile(self) -> None:
        """Both may be in one file, in either order."""
        certificate, key = (path.read_bytes() for path in self.issue("example.com"))
        for data in (certificate + key, key + certificate):
            self.assertEqual(loadCredentials(self.file("both", data)).names, ("example.com",))

    def test_upsideDown(self) -> None:
        """A chain with its root first is turned round, so that TLS sends the leaf first."""
        certificate, key = self.issue("example.com")
        root = self.authority.cert_pem.bytes()
        certificate.write_bytes(root + certificate.read_bytes())
        found = loadCredentials(certificate, key)
        self.assertEqual(found.names, ("example.com",))
        self.assertEqual(found.chain[1], x509.load_pem_x509_certificate(root))

    def test_kinds(self) -> None:
        """RSA and EC keys, in PKCS8 and in the old form, are read."""
        for kind in trustme.KeyType:
            certificate, key = self.issue("example.com", key_type=kind)
            loadCredentials(certificate, key)
            private = load_pem_private_key(key.read_bytes(), None)
            key.write_bytes(
                private.private_bytes(
                    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
                )
            )
            self.assertEqual(loadCredentials(certificate, key).names, ("example.com",))

    def test_noNames(self) -> None:
        """A certificate for an address alone has no names."""
        self.assertEqual(loadCredentials(*self.issue("127.0.0.1")).names, ())

    def test_secret(self) -> None:
        """The representation does not show the key."""
        found = loadCredentials(*self.issue("example.com"))
        self.assertNotIn("key=", repr(found).replace("privateKeyFile=", ""))

    def test_missing(self) -> None:
        """A file that is not there is named, whichever of the two it is."""
        certificate, key = self.issue("example.com")
        for files in ((self.folder / "no.pem", key), (certificate, self.folder / "no.pem")):
            self.assertRegex(self.refusal(*files), "cannot read .*no.pem: No such file")

    def test_unreadable(self) -> None:
        """So is one that cannot be read."""
        _, key = self.issue("example.com")
        self.assertIn(f"cannot read {self.folder}", self.refusal(self.folder, key))

    def test_swapped(self) -> None:
        """Exchanging the two options is noticed."""
        certificate, key = self.issue("example.com")
        self.assertIn("no PEM certificate in", self.refusal(key, certificate))

    def test_noKey(self) -> None:
        """A certificate without a key says where the key was looked for."""
        certificate, _ = self.issue("example.com")
        self.assertIn(f"no PEM private key in {certificate}", self.refusal(certificate))

    def test_otherKey(self) -> None:
        """A key of another certificate is refused, of the same kind or not."""
        certificate, _ = self.issue("example.com")
        own = self.authority.issue_cert("example.com").private_key_pem.bytes()
        form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(*form)
        for data in (own, edwards):
            key = self.file("other.pem", data)
            self.assertIn("is not that of", self.refusal(certificate, key))

    def test_protected(self) -> None:
        """A key with a pass phrase is refused with the way to remove it."""
        certificate, _ = self.issue("example.com")
        private = rsa.generate_private_key(65537, 2048)
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            data = private.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret"))
            refusal = self.refusal(certificate, self.file("protected.pem", data))
            self.assertIn("pass phrase", refusal)
            self.assertIn("openssl pkey", refusal)

    def test_damaged(self) -> None:
        """Damaged files are refused by name, without showing what is in them."""
        certificate, key = self.issue("example.com")
        certificateData, keyData = certificate.read_bytes(), key.read_bytes()
        key.write_bytes(keyData[:35] + b"AAAA" + keyData[39:])
        self.assertEqual(
            self.refusal(certificate, key), f"cannot understand the private key in {key}"
        )
        key.write_bytes(keyData)
        certificate.write_bytes(certificateData[:30] + b"AAAA" + certificateData[34:])
        self.assertIn(
            f"cannot understand the certificate in {certificate}", self.refusal(certificate, key)
        )

    def test_large(self) -> None:
        """A huge file is not read into memory."""
        certificate, key = self.issue("example.com")
        with open(certificate, "ab") as file:
            file.truncate(MAX_FILE + 1)
        self.assertIn("too large", self.refusal(certificate, key))

    def test_expired(self) -> None:
        """An expired certificate is a warning with its day, not an error."""
        day = datetime(2020, 1, 2, tzinfo=timezone.utc)
        found = loadCredentials(*self.issue("example.com", not_before=day, not_after=day))
        (warning,) = found.warnings()
        self.assertIn("cert.pem expired on 2020-01-02", warning)

    def test_soon(self) -> None:
        """One about to expire and one not valid yet earn a warning too."""
        found = loadCredentials(*self.issue("example.com"))
        leaf = found.leaf
        before = leaf.not_valid_before_utc - timedelta(seconds=1)
        self.assertIn("not valid before", " ".join(found.warnings(before)))
        near = leaf.not_valid_after_utc - timedelta(days=6)
        self.assertIn("expires soon", " ".join(found.warnings(near)))

    def test_open(self) -> None:
        """A key that everybody can read earns a warning with the cure."""
        certificate, key = self.issue("example.com")
        key.chmod(0o644)
        (warning,) = loadCredentials(certificate, key).warnings()
        self.assertIn(f"chmod 600 {key}", warning)

    test_open.skip = None if os.name == "posix" else "modes are POSIX"  # type: ignore[attr-defined]

    def test_reloaded(self) -> None:
        """Unchanged files give the same object, replaced ones new credentials."""
        found = loadCredentials(*self.issue("example.com"))
        self.assertIs(found.reloaded(), found)
        self.issue("example.org")
        self.assertEqual(found.reloaded().names, ("example.org",))

    def test_halfReplaced(self) -> None:
        """Between the two writes of a renewal the pair is refused; afterwards it is read."""
        certificate, key = self.issue("example.com")
        found = loadCredentials(certificate, key)
        old = key.read_bytes()
        self.issue("example.org")
        new = key.read_bytes()
        key.write_bytes(old)
        self.assertRaises(UsageError, found.reloaded)
        key.write_bytes(new)
        self.assertEqual(found.reloaded().names, ("example.org",))

    def test_madeHere(self) -> None:
        """Credentials that came from no file never change."""
        found = loadCredentials(*self.issue("example.com"))
        made = Credentials(found.chain, found.key)
        self.assertIs(made.reloaded(), made)
        self.assertEqual(made.warnings(datetime.fromtimestamp(time.time(), timezone.utc)), [])
