"""The `webhook` authenticator: what it asks, whom it believes, for how long."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.accounts import Credentials, Limits
from diglett.asking import NoAnswer
from diglett.auth import webhook
from diglett.auth.answers import BadAnswer
from diglett.auth.webhook import Webhook, create
from diglett.errors import LoginRefused, UsageError
from diglett.fetching import FetchFailed
from diglett.interfaces import IAuthenticator, PluginContext
from tests.service import Service

ALICE = {"account": "alice", "names": ["alice", "alice-*"], "limits": {"agents": 2, "bandwidth": "10M"}, "ttl": 60}
CREDENTIALS = Credentials("hunter2", None, "192.0.2.1")


class WebhookTests(SynchronousTestCase):
    """`Webhook` against a service in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.events = []
        self.context = PluginContext(
            self.clock, Path(self.mktemp()), "gateway.com", "g1", Logger("test", observer=self.events.append)
        )
        self.service = Service()
        self.service.answer = lambda: (200, ALICE)
        self.webhook = Webhook("https://auth.test/hook", b"secret", self.context, agent=self.service.agent)
        self.webhook.start(lambda: None)
        self.addCleanup(self.webhook.stop)

    def ask(self, coroutine):
        answer = Deferred.fromCoroutine(coroutine)
        self.service.agent.flush()
        return answer

    def login(self, credentials=CREDENTIALS):
        return self.ask(self.webhook.authenticate(credentials))

    def test_contract(self) -> None:
        """It keeps to the contract, and a signature goes with every question."""
        verifyObject(IAuthenticator, self.webhook)
        account = self.successResultOf(self.login())
        self.assertEqual((account.id, account.patterns), ("alice", ("alice", "alice-*")))
        self.assertEqual((account.limits, account.expires), (Limits(agents=2, bandwidth=10_000_000), 1060.0))
        self.assertTrue(self.webhook.authorize(account, "alice-x"))
        self.assertFalse(self.webhook.authorize(account, "bob"))
        self.assertEqual(
            self.service.documents,
            [
                {
                    "event": "login",
                    "token": "hunter2",
                    "certificate": None,
                    "address": "192.0.2.1",
                    "gateway": "g1",
                    "domain": "gateway.com",
                }
            ],
        )
        self.assertRegex(self.service.requests[0].getHeader("Diglett-Signature"), "^t=1000,v1=[0-9a-f]{64}$")

    def test_refused(self) -> None:
        """401 and 403 are a no."""
        for status in (401, 403):
            self.service.answer = lambda status=status: (status, b"")
            self.failureResultOf(self.login(), LoginRefused)

    def test_trouble(self) -> None:
        """Any other status, a redirect, or nonsense lets nobody in, but is not the agent's fault."""
        for status in (204, 301, 404, 500, 503):
            self.service.answer = lambda status=status: (status, ALICE)
            self.failureResultOf(self.login(), FetchFailed)
        for document in ([], {}, {"account": ""}, {"account": 1}, {**ALICE, "names": "*"}, {**ALICE, "names": ["A"]},
                         {**ALICE, "limits": [1]}, {**ALICE, "limits": {"agents": "2"}},
                         {**ALICE, "limits": {"bandwidth": "fast"}}, {**ALICE, "ttl": "60"},
                         {**ALICE, "ttl": -1}, {**ALICE, "ttl": True}, {**ALICE, "account": "a\n"}):  # fmt: skip
            self.service.answer = lambda document=document: (200, document)
            self.failureResultOf(self.login(), BadAnswer)

    def test_noNames(self) -> None:
        """An answer without names, or with none, allows no name."""
        for names in ({}, {"names": []}, {"names": None}):
            self.service.answer = lambda names=names: (200, {"account": "alice", **names})
            self.assertFalse(self.webhook.authorize(self.successResultOf(self.login()), "alice"))

    def test_silence(self) -> None:
        """No answer in five seconds lets nobody in."""
        self.service.answer = lambda: None
        login = self.login()
        self.clock.advance(5)
        self.failureResultOf(login, NoAnswer)

    def test_cached(self) -> None:
        """An answer is believed for its time, for the same token and address only."""
        self.successResultOf(self.login())
        self.clock.advance(59)
        self.successResultOf(self.login())
        self.assertEqual(len(self.service.requests), 1)
        self.successResultOf(self.login(Credentials("other", None, "192.0.2.1")))
        self.successResultOf(self.login(Credentials("hunter2", None, "192.0.2.2")))
        self.assertEqual(len(self.service.requests), 3)
        self.clock.advance(1)
        self.successResultOf(self.login())
        self.assertEqual(len(self.service.requests), 4)

    def test_notCached(self) -> None:
        """An answer that does not say for how long is good for this login only, and asked about again later."""
        self.service.answer = lambda: (200, {"account": "alice", "names": ["*"]})
        self.assertEqual(self.successResultOf(self.login()).expires, 1300.0)
        self.successResultOf(self.login())
        self.assertEqual(len(self.service.requests), 2)

    def test_noIsNotCached(self) -> None:
        """A no is asked about again each time, and takes the place of an older yes."""
        account = self.successResultOf(self.login())
        self.service.answer = lambda: (403, b"")
        self.failureResultOf(self.ask(self.webhook.refresh(account)), LoginRefused)
        self.failureResultOf(self.login(), LoginRefused)

    def test_bounded(self) -> None:
        """However many different answers there are, memory is bounded, and the oldest go first."""
        self.patch(webhook, "_CACHED", 3)
        for number in range(5):
            self.successResultOf(self.login(Credentials(str(number))))
        asked = len(self.service.requests)
        self.successResultOf(self.login(Credentials("4")))
        self.assertEqual(len(self.service.requests), asked)
        self.successResultOf(self.login(Credentials("0")))
        self.assertEqual(len(self.service.requests), asked + 1)

    def test_refresh(self) -> None:
        """Asked again, the account may have changed; another account by the same token is a no."""
        account = self.successResultOf(self.login())
        self.clock.advance(60)
        self.service.answer = lambda: (200, {**ALICE, "names": ["alice"]})
        fresh = self.successResultOf(self.ask(self.webhook.refresh(account)))
        self.assertEqual((fresh.patterns, fresh.expires), (("alice",), 1120.0))
        self.assertEqual(self.service.documents[-1]["event"], "check")
        self.service.answer = lambda: (200, {**ALICE, "account": "bob"})
        self.failureResultOf(self.ask(self.webhook.refresh(fresh)), LoginRefused)

    def test_grace(self) -> None:
        """While the webhook is out of order who is connected stays, but not longer than the grace."""
        account = self.successResultOf(self.login())
        self.service.answer = lambda: (500, b"")
        self.clock.advance(60)
        account = self.successResultOf(self.ask(self.webhook.refresh(account)))
        self.assertEqual(account.expires, 1090.0)
        self.assertIn("stays for now", formatEvent(self.events[-1]))
        self.clock.advance(225)
        account = self.successResultOf(self.ask(self.webhook.refresh(account)))
        self.assertEqual(account.expires, 1300.0)
        self.clock.advance(15)
        self.failureResultOf(self.ask(self.webhook.refresh(account)), FetchFailed)

    def test_secretsHidden(self) -> None:
        """The account that goes through the gateway does not show the token."""
        self.assertNotIn("hunter2", repr(self.successResultOf(self.login())))


class CreateTests(SynchronousTestCase):
    """`create`: the argument."""

    def setUp(self) -> None:
        self.context = PluginContext(Clock(), Path(self.mktemp()), "gateway.com", "g1", Logger("test"))
        self.patch(os, "environ", {"DIGLETT_WEBHOOK_SECRET": "hunter2"})

    def test_good(self) -> None:
        """A URL will do if the secret is in the environment, or in a file."""
        verifyObject(IAuthenticator, create("https://a.example/x,timeout=2,grace=0", self.context))
        os.environ.clear()
        secret = Path(self.mktemp())
        secret.write_text("hunter2")
        create(f"http://127.0.0.1:1/,secret-file={secret}", self.context)

    def test_bad(self) -> None:
        """No secret, no URL, no encryption, or a wrong number is an error."""
        for argument in ("", "x", "http://a.example/", "https://a/,timeout=x", "https://a/,grace=-1", "https://a/,timeout=nan"):
            self.assertRaises(UsageError, create, argument, self.context)
        os.environ.clear()
        self.assertIn("DIGLETT_WEBHOOK_SECRET", str(self.assertRaises(UsageError, create, "https://a/", self.context)))
