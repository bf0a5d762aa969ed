"""Accounts: which names they allow, and what their text gives away."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.accounts import Account, Credentials


class AccountTests(SynchronousTestCase):
    """`Account.allows` and what is shown of values that hold secrets."""

    def test_globs(self) -> None:
        """A name is allowed if one of the patterns matches all of it."""
        account = Account("alice", ("alice", "alice-*", "t?st"))
        for name in ("alice", "alice-", "alice-blog", "test"):
            self.assertTrue(account.allows(name), name)
        for name in ("alices", "malice", "bob", "tst", ""):
            self.assertFalse(account.allows(name), name)

    def test_noPatterns(self) -> None:
        """Without a pattern nothing is allowed."""
        self.assertFalse(Account("alice").allows("alice"))

    def test_secretsHidden(self) -> None:
        """Neither a token nor an authenticator's own note shows in `repr`."""
        self.assertNotIn("hunter2", repr(Credentials("hunter2", peer="192.0.2.1")))
        self.assertNotIn("hunter2", repr(Account("alice", credential="hunter2")))
