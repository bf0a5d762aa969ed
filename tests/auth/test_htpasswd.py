"""The `htpasswd` authenticator: passwords, files, and that nobody blocks the reactor."""

from __future__ import annotations

import os
from pathlib import Path

import bcrypt
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.accounts import Credentials
from diglett.auth import htpasswd
from diglett.errors import LoginRefused, UsageError
from diglett.interfaces import IAuthenticator, PluginContext


class HandCranked(Clock):
    """A reactor whose thread pool works when told."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = []

    def getThreadPool(self):
        return self

    def callFromThread(self, call, *arguments):
        call(*arguments)

    def callInThreadWithCallback(self, onResult, call, *arguments, **options):
        self.jobs.append((onResult, call, arguments, options))

    def work(self) -> None:
        """Do one job, as a thread would."""
        onResult, call, arguments, options = self.jobs.pop(0)
        try:
            result = call(*arguments, **options)
        except BaseException:
            onResult(False, Failure())
        else:
            onResult(True, result)


def line(user: str, password: str, cost: int = 4) -> str:
    """A line as `htpasswd -B` writes it."""
    hashed = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode()
    return f"{user}:{hashed.replace('$2b$', '$2y$')}\n"


class HtpasswdTests(SynchronousTestCase):
    """`create` and what it makes."""

    def setUp(self) -> None:
        self.reactor = HandCranked()
        self.path = Path(self.mktemp())
        self.path.write_text("# users\n\n" + line("alice", "open sesame") + line("bob", "x" * 100))
        self.changes = []
        self.context = PluginContext(self.reactor, self.path.parent, "gateway.com", "g1", Logger("test"))

    def started(self, options: str = "") -> htpasswd.Htpasswd:
        made = htpasswd.create(f"{self.path}{options}", self.context)
        made.start(lambda: self.changes.append(True))
        self.addCleanup(made.stop)
        return made

    def login(self, made: htpasswd.Htpasswd, token: str | None) -> Deferred:
        login = Deferred.fromCoroutine(made.authenticate(Credentials(token)))
        while self.reactor.jobs:
            self.reactor.work()
        return login

    def test_login(self) -> None:
        """User and password, joined by a colon, give the user's account."""
        made = self.started()
        verifyObject(IAuthenticator, made)
        account = self.successResultOf(self.login(made, "alice:open sesame"))
        self.assertEqual(account.id, "alice")
        self.assertTrue(made.authorize(account, "whatever"))
        self.assertIn("any name", made.messages()[0])

    def test_refused(self) -> None:
        """Anything else is refused."""
        made = self.started()
        bad = (None, "", "alice", "alice:", "alice:open", "carol:open sesame", ":", "alice:\x00", "alice:\udcff")
        for token in bad:
            self.failureResultOf(self.login(made, token), LoginRefused)

    def test_unknownUserTakesTheSameWork(self) -> None:
        """For a user that does not exist a password is checked as well, at the cost of the costliest."""
        with self.path.open("a") as file:
            file.write(line("carol", "c", 6))
        made = self.started()
        Deferred.fromCoroutine(made.authenticate(Credentials("nobody:x"))).addErrback(lambda _: None)
        [(_, _, (password, hashed), _)] = self.reactor.jobs
        self.assertEqual((password, hashed[:7]), ("x", b"$2b$06$"))
        self.reactor.work()

    def test_longPassword(self) -> None:
        """Only 72 bytes count, as with the tool that made the hash."""
        made = self.started()
        self.successResultOf(self.login(made, "bob:" + "x" * 100))
        self.successResultOf(self.login(made, "bob:" + "x" * 72))
        self.failureResultOf(self.login(made, "bob:" + "x" * 71), LoginRefused)

    def test_inThreads(self) -> None:
        """Checks run in threads, few at a time; too many that wait are asked to come back."""
        made = self.started()
        logins = [Deferred.fromCoroutine(made.authenticate(Credentials("alice:open sesame"))) for _ in range(100)]
        most = max(1, (os.cpu_count() or 2) // 2)
        self.assertEqual(len(self.reactor.jobs), most)
        for login in logins[most + 64 :]:
            self.assertFalse(self.failureResultOf(login, LoginRefused).value.permanent)
        while self.reactor.jobs:
            self.reactor.work()
        for login in logins[: most + 64]:
            self.successResultOf(login)

    def test_names(self) -> None:
        """Patterns with the user in them restrict; a user who is no good in a name gets none of those."""
        with self.path.open("a") as file:
            file.write(line("Carol", "c") + line("*", "star"))
        made = self.started(",names={user},names={user}-*,names=shared")
        self.assertEqual(made.messages(), [])
        account = self.successResultOf(self.login(made, "alice:open sesame"))
        self.assertEqual(account.patterns, ("alice", "alice-*", "shared"))
        for token in ("Carol:c", "*:star"):
            self.assertEqual(self.successResultOf(self.login(made, token)).patterns, ("shared",))

    def test_changed(self) -> None:
        """A new password, or a user taken out, ends what was begun with the old one; others stay."""
        made = self.started()
        alice = self.successResultOf(self.login(made, "alice:open sesame"))
        bob = self.successResultOf(self.login(made, "bob:" + "x" * 72))
        lines = self.path.read_text().splitlines(keepends=True)
        self.path.write_text(line("alice", "changed", 5) + lines[-1])
        self.reactor.advance(2)
        self.assertEqual(self.changes, [True])
        self.assertRaises(LoginRefused, made.refresh, alice)
        self.assertEqual(made.refresh(bob), bob)

    def test_badFiles(self) -> None:
        """Hashes that are not bcrypt, absurd costs and doubled users are refused by line."""
        good = line("alice", "a")
        for text, reason in (
            ("alice:$apr1$abc$def\n", "line 1: not a bcrypt hash"),
            (good + "bob\n", "line 2: not a bcrypt hash"),
            (good + good, "line 2: no user, or one that occurred"),
            (good[5:], "line 1: no user"),
            (good.replace("$04$", "$16$"), "takes too long"),
        ):
            self.path.write_text(text)
            self.assertIn(reason, str(self.assertRaises(UsageError, self.started)))

    def test_badArguments(self) -> None:
        """A file is needed, and options must be known and sensible."""
        for argument in ("", "names=a", "/x,name=a", "/x,names=A"):
            self.assertRaises(UsageError, htpasswd.create, argument, self.context)
