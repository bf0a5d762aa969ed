"""The `tokens` authenticator: the first start, logins, revocation while running."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.accounts import Account, Credentials, Limits
from diglett.auth import tokens
from diglett.auth.tokenfile import Token, User, digestOf, render
from diglett.errors import LoginRefused, UsageError
from diglett.interfaces import IAuthenticator, PluginContext

ALICE = User(
    "alice", ("alice", "alice-*"), Limits(agents=2), tokens=(Token(digestOf("one")), Token(digestOf("two"), 500.0))
)
BOB = User("bob", ("bob",), tokens=(Token(digestOf("three")),))


class TokensTests(SynchronousTestCase):
    """`create` and what it makes, on real files."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = []
        self.state = Path(self.mktemp())
        self.state.mkdir()
        self.path = self.state / "tokens.toml"
        self.changes = []

    def started(self, argument: str = "") -> tokens.Tokens:
        log = Logger("test", observer=self.events.append)
        made = tokens.create(argument, PluginContext(self.clock, self.state, "gateway.com", "g1", log))
        made.start(lambda: self.changes.append(True))
        self.addCleanup(made.stop)
        return made

    def write(self, *users: User) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(render(users))
        os.replace(temporary, self.path)

    def test_contract(self) -> None:
        """It keeps to the contract, and stopping leaves no timer."""
        self.write(ALICE)
        made = self.started()
        verifyObject(IAuthenticator, made)
        self.assertEqual(made.messages(), [])
        made.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_login(self) -> None:
        """A token gives its user's account, and the account its names."""
        self.write(ALICE, BOB)
        made = self.started()
        account = made.authenticate(Credentials("one"))
        self.assertEqual(account, Account("alice", ("alice", "alice-*"), Limits(agents=2)))
        self.assertTrue(made.authorize(account, "alice-blog"))
        self.assertFalse(made.authorize(account, "bob"))

    def test_refused(self) -> None:
        """No token, an empty one, an unknown one, and the hash itself are refused."""
        self.write(ALICE)
        made = self.started()
        for token in (None, "", "nope", digestOf("one"), "one ", "\udcff"):
            self.assertRaises(LoginRefused, made.authenticate, Credentials(token))

    def test_hashOfNothing(self) -> None:
        """Even if somebody wrote the hash of the empty text into the file, showing nothing is refused."""
        self.write(User("alice", ("*",), tokens=(Token(digestOf("")),)))
        made = self.started()
        for token in (None, ""):
            self.assertRaises(LoginRefused, made.authenticate, Credentials(token))

    def test_expiry(self) -> None:
        """A token is good until it expires, and its account says when."""
        self.write(ALICE)
        made = self.started()
        account = made.authenticate(Credentials("two"))
        self.assertEqual(account.expires, 500.0)
        self.clock.advance(500)
        self.assertRaises(LoginRefused, made.authenticate, Credentials("two"))
        self.assertRaises(LoginRefused, made.refresh, account)
        self.assertEqual(made.authenticate(Credentials("one")).id, "alice")

    def test_newTokenAtOnce(self) -> None:
        """A token added a moment ago is good at the next login, without waiting for the poll."""
        self.write(ALICE)
        made = self.started()
        self.write(ALICE, BOB)
        self.assertEqual(made.authenticate(Credentials("three")).id, "bob")

    def test_revoked(self) -> None:
        """When a token is taken out, who logged in with it has to go; the user's other token is still good."""
        self.write(ALICE, BOB)
        made = self.started()
        one, two = (made.authenticate(Credentials(token)) for token in ("one", "two"))
        self.write(User("alice", ("alice",), tokens=ALICE.tokens[1:]), BOB)
        self.clock.advance(2)
        self.assertEqual(self.changes, [True])
        self.assertRaises(LoginRefused, made.refresh, one)
        self.assertEqual(made.refresh(two).patterns, ("alice",))

    def test_brokenLater(self) -> None:
        """A file that breaks while running changes nothing for anybody."""
        self.write(ALICE)
        made = self.started()
        account = made.authenticate(Credentials("one"))
        self.path.write_text("[user.alice")
        self.clock.advance(2)
        self.assertEqual(self.changes, [])
        self.assertEqual(made.refresh(account), account)
        self.assertEqual(made.authenticate(Credentials("one")), account)

    def test_brokenAtStart(self) -> None:
        """With a broken file the gateway does not start, and the file stays as it is."""
        self.path.write_text("[user.alice")
        self.assertRaises(UsageError, self.started)
        self.assertEqual(self.path.read_text(), "[user.alice")
        self.assertFalse((self.state / "token").exists())

    def test_ownFileMissing(self) -> None:
        """A file named by the operator is never made up; the error says how to make it."""
        error = self.assertRaises(UsageError, self.started, str(self.state / "mine.toml"))
        self.assertIn("diglett-server token add USER --file", str(error))

    def test_ownFile(self) -> None:
        """A file named by the operator is used wherever it is."""
        self.write(BOB)
        self.path.rename(self.state / "mine.toml")
        made = self.started(str(self.state / "mine.toml"))
        self.assertEqual(made.authenticate(Credentials("three")).id, "bob")

    def test_firstStart(self) -> None:
        """The first start makes one token for any name, shows it, and leaves it where only its user can read it."""
        made = self.started()
        local = self.state / "token"
        token = local.read_text().strip()
        [message] = made.messages()
        self.assertIn(token, message)
        self.assertIn(str(local), message)
        account = made.authenticate(Credentials(token))
        self.assertTrue(made.authorize(account, "whatever"))
        self.assertNotIn(token, self.path.read_text())
        for path in (local, self.path):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    def test_secondStart(self) -> None:
        """The next start makes no other token and shows none."""
        self.started()
        before = self.path.read_text()
        self.assertEqual(self.started().messages(), [])
        self.assertEqual(self.path.read_text(), before)

    def test_crashedFirstStart(self) -> None:
        """A first start that died before it wrote the file is taken up with the same token."""
        (self.state / "token").write_text("dig_made-before\n")
        self.assertEqual(self.started().authenticate(Credentials("dig_made-before")).patterns, ("*",))

    def test_readOnlyState(self) -> None:
        """If the state folder cannot be written to, the error says so."""
        self.state.rmdir()
        self.state.write_text("")
        self.assertIn("cannot write", str(self.assertRaises(UsageError, self.started)))

    def test_writableByOthers(self) -> None:
        """A file that others may write to earns a warning."""
        self.write(ALICE)
        self.path.chmod(0o666)
        [message] = self.started().messages()
        self.assertIn("others may write", message)

    def test_nobody(self) -> None:
        """A file without any token earns a warning, since nobody can connect."""
        self.path.write_text("# nobody\n")
        [message] = self.started().messages()
        self.assertIn("nobody can connect", message)
