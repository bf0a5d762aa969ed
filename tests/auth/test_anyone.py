"""The `open` authenticator: yes to everybody, and a warning about it."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.accounts import Credentials
from diglett.auth.anyone import create
from diglett.errors import UsageError
from diglett.interfaces import IAuthenticator, PluginContext


class AnyoneTests(SynchronousTestCase):
    """`create` and what it makes."""

    def setUp(self) -> None:
        self.context = PluginContext(Clock(), Path(self.mktemp()), "gateway.com", "g1", Logger("test"))

    def test_everybody(self) -> None:
        """No token and any name will do; accounts differ by address only."""
        anyone = create("", self.context)
        verifyObject(IAuthenticator, anyone)
        account = anyone.authenticate(Credentials(peer="192.0.2.1"))
        self.assertTrue(anyone.authorize(account, "whatever"))
        self.assertEqual(anyone.refresh(account), account)
        self.assertEqual(account, anyone.authenticate(Credentials("x", peer="192.0.2.1")))
        self.assertNotEqual(account, anyone.authenticate(Credentials(peer="192.0.2.2")))

    def test_loud(self) -> None:
        """Every start warns that anybody may publish."""
        [line] = create("", self.context).messages()
        self.assertIn("ANYBODY", line)

    def test_argument(self) -> None:
        """An argument is an error: there is nothing it could mean."""
        self.assertRaises(UsageError, create, "x", self.context)
