"""The `certificate` authenticator: the TLS layer's word is enough, unless the name is revoked."""

from __future__ import annotations

from pathlib import Path

import trustme
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.accounts import Credentials
from diglett.auth.certificate import CertificateNames, create
from diglett.errors import LoginRefused, UsageError
from diglett.interfaces import IAuthenticator, PluginContext


class CertificateTests(SynchronousTestCase):
    """`create` and what it makes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authorities = self.folder / "ca.pem"
        trustme.CA().cert_pem.write_to_path(str(self.authorities))
        self.changes = []
        self.context = PluginContext(self.clock, self.folder, "gateway.com", "g1", Logger("test"))

    def started(self, options: str = "") -> CertificateNames:
        made = create(f"{self.authorities}{options}", self.context)
        made.start(lambda: self.changes.append(True))
        self.addCleanup(made.stop)
        return made

    def test_name(self) -> None:
        """The certificate's name is the account, whatever the token is; the listener is told the authorities."""
        made = self.started()
        verifyObject(IAuthenticator, made)
        self.assertEqual(made.clientAuthorities, self.authorities)
        account = made.authenticate(Credentials("x", "laptop.example.org"))
        self.assertEqual(account.id, "laptop.example.org")
        self.assertTrue(made.authorize(account, "whatever"))
        self.assertIn("any name", made.messages()[0])

    def test_noCertificate(self) -> None:
        """Without a certificate no token helps."""
        made = self.started()
        for name in (None, ""):
            self.assertRaises(LoginRefused, made.authenticate, Credentials("x", name))

    def test_names(self) -> None:
        """Patterns with the name in them restrict."""
        made = self.started(",names={user}-*")
        account = made.authenticate(Credentials(None, "alice"))
        self.assertEqual(account.patterns, ("alice-*",))
        self.assertEqual(made.messages(), [])

    def test_revoked(self) -> None:
        """A name put on the list goes, at once or at the next login; others stay."""
        revoked = self.folder / "revoked"
        revoked.write_text("")
        made = self.started(f",revoked={revoked}")
        alice, bob = (made.authenticate(Credentials(None, name)) for name in ("alice", "bob"))
        revoked.write_text("# lost laptop\nalice\n")
        self.clock.advance(2)
        self.assertEqual(self.changes, [True])
        self.assertRaises(LoginRefused, made.refresh, alice)
        self.assertEqual(made.refresh(bob), bob)
        self.assertRaises(LoginRefused, made.authenticate, Credentials(None, "alice"))

    def test_bad(self) -> None:
        """A file without authorities, or none, keeps the gateway from starting."""
        self.assertRaises(UsageError, create, "", self.context)
        self.assertRaises(UsageError, create, "/x,revoked=a,revoked=b", self.context)
        self.assertRaises(UsageError, self.started, f",revoked={self.folder / 'missing'}")
        self.authorities.write_text("nothing")
        self.assertIn("no PEM certificate", str(self.assertRaises(UsageError, self.started)))
        self.authorities.unlink()
        self.assertIn("cannot read", str(self.assertRaises(UsageError, self.started)))
