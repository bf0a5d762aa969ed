"""What OpenSSL means, in words."""

from __future__ import annotations

import trustme
from cryptography import x509
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.trust.reasons import alertReason, chainReason, namesIn
from tests.trust.forging import named
from tests.trust.shaking import credentialsOf

CODES = SSL.X509VerificationCodes


class ReasonsTests(SynchronousTestCase):
    """Sentences about certificates."""

    def test_whose(self) -> None:
        """It is said whether the certificate itself or one above it is the trouble."""
        code = CODES.ERR_CERT_HAS_EXPIRED
        self.assertEqual(chainReason(code, 0), "its certificate has expired")
        self.assertEqual(chainReason(code, 2), "a certificate it depends on has expired")

    def test_unforeseen(self) -> None:
        """A problem without words of ours has its number."""
        self.assertIn("OpenSSL code 9999", chainReason(9999, 0))

    def test_everyCode(self) -> None:
        """Every code that OpenSSL has makes a sentence."""
        codes = [value for name, value in vars(CODES).items() if name.startswith("ERR_")]
        for code in codes:
            self.assertIn("certificate", chainReason(code, 0))

    def test_names(self) -> None:
        """The first few names are listed, and how many more there are."""
        ca = trustme.CA()
        many = credentialsOf(ca.issue_cert(*(f"n{i}.org" for i in range(8)))).leaf
        self.assertRegex(namesIn(many), r"^(n\d.org, ){4}n\d.org and 3 more$")
        mixed = credentialsOf(ca.issue_cert("a.org", "::1")).leaf
        self.assertEqual(namesIn(mixed), "a.org, ::1")
        self.assertEqual(namesIn(named(ca, ["a.org"]).leaf), "no name")

    def test_hostileNames(self) -> None:
        """A name in a certificate cannot play tricks with the terminal, nor fill it."""
        names = [x509.DNSName("\x1b[2J\n"), x509.DNSName("a" * 1000)]
        text = namesIn(named(trustme.CA(), [], names).leaf)
        self.assertTrue(text.isprintable(), text)
        self.assertLess(len(text), 200)

    def test_alerts(self) -> None:
        """Alerts about our certificate are told from all others."""
        for reason, expected in {
            "tlsv13 alert certificate required": "certificate required",
            "ssl/tls alert bad certificate": "bad certificate",
            "tlsv1 alert unknown ca": "unknown ca",
            "ssl/tls alert handshake failure": None,
            "tlsv1 alert no application protocol": None,
            "certificate verify failed": None,
            "unknown ca": None,
        }.items():
            error = SSL.Error([("SSL routines", "", reason)])
            self.assertEqual(alertReason(error), expected, reason)

    def test_otherErrors(self) -> None:
        """Errors of another form are about something else."""
        for error in (SSL.Error(), SSL.SysCallError(-1, "alert certificate"), OSError("x")):
            self.assertIsNone(alertReason(error))
