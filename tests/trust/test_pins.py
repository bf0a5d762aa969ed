"""Pins: what they are the hash of, and how they are read."""

from __future__ import annotations

import base64
import hashlib
import subprocess

import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from diglett.errors import UsageError
from diglett.trust.pins import isPinned, parsePin, pinOf

PIN = "sha256:" + base64.b64encode(hashlib.sha256(b"x").digest()).decode()


class PinTests(SynchronousTestCase):
    """The fingerprint of a key."""

    def test_form(self) -> None:
        """A pin is sha256: and the base64 of 32 bytes."""
        self.assertRegex(pinOf(certificate()), r"^sha256:[A-Za-z0-9+/]{43}=$")

    def test_openssl(self) -> None:
        """It is what the openssl command makes of the same certificate."""
        leaf = certificate()
        command = (
            "openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER"
            " | openssl dgst -sha256 -binary | base64"
        )
        made = subprocess.run(
            command,
            shell=True,
            check=False,
            input=leaf.public_bytes(Encoding.PEM),
            capture_output=True,
            timeout=30,
        )
        if b"not found" in made.stderr:
            raise SkipTest("no openssl command here")
        self.assertEqual(pinOf(leaf), "sha256:" + made.stdout.decode().strip())

    def test_parsed(self) -> None:
        """A pin, curl's form of it, and one that lost its padding are all the same."""
        digest = PIN[len("sha256:") :]
        for text in (PIN, f" {PIN}\n", f"sha256//{digest}", f"SHA256:{digest}", PIN.rstrip("=")):
            self.assertEqual(parsePin(text), PIN)

    def test_refused(self) -> None:
        """What is no pin is refused with what is wrong about it."""
        for text, why in {
            "": "does not begin",
            PIN[len("sha256:") :]: "does not begin",
            "sha1:" + "A" * 27: "does not begin",
            "sha256:***": "not base64",
            "sha256:é": "not base64",
            "sha256:AAAA": "3 bytes",
            "sha256:": "0 bytes",
        }.items():
            self.assertIn(why, str(self.assertRaises(UsageError, parsePin, text)))

    def test_found(self) -> None:
        """A pin is found wherever it stands in the list, and only itself."""
        other = "sha256:" + "A" * 43 + "="
        self.assertTrue(isPinned(PIN, [other, PIN]))
        self.assertTrue(isPinned(PIN, [PIN, other]))
        self.assertFalse(isPinned(PIN, [other]))
        self.assertFalse(isPinned(PIN, []))


def certificate():
    """Make some certificate."""
    return load_pem_x509_certificate(
        trustme.CA().issue_cert("example.com").cert_chain_pems[0].bytes()
    )
