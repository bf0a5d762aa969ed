"""The `webhook` registrar: what it tells, and how answers are taken."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.errors import Refused, UsageError
from diglett.fetching import FetchFailed
from diglett.interfaces import ILease, IRegistrar, PluginContext, Registration
from diglett.registrar.notices import BadAnswer
from diglett.registrar.routing import Routing
from diglett.registrar.webhook import Webhook, create
from tests.service import Service

EXAMPLE = Registration("example", "example.gateway.com", "127.0.0.1", 41234)


class WebhookTests(SynchronousTestCase):
    """`Webhook` against a service in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = []
        log = Logger("test", observer=self.events.append)
        self.context = PluginContext(self.clock, Path(self.mktemp()), "gateway.com", "g1", log)
        self.service = Service()
        way = Routing.parse({}, self.context, "none")
        self.webhook = Webhook("https://hook.test/x", b"secret", way, self.context, agent=self.service.agent)

    def ask(self, coroutine):
        answer = Deferred.fromCoroutine(coroutine)
        self.service.agent.flush()
        return answer

    def test_events(self) -> None:
        """Start, publish and withdraw are told, signed; URLs in the answer are the lease's."""
        verifyObject(IRegistrar, self.webhook)
        self.successResultOf(self.ask(self.webhook.start()))
        self.service.answer = lambda: (200, {"urls": ["https://example.com/"]})
        lease = self.successResultOf(self.ask(self.webhook.publish(EXAMPLE)))
        verifyObject(ILease, lease)
        self.assertEqual(lease.urls, ("https://example.com/",))
        self.service.answer = lambda: (204, b"")
        self.successResultOf(self.ask(lease.withdraw()))
        self.assertEqual([document["event"] for document in self.service.documents], ["start", "publish", "withdraw"])
        self.assertEqual(self.service.documents[1]["port"], 41234)
        for request in self.service.requests:
            self.assertTrue(request.getHeader("Diglett-Signature"))

    def test_refused(self) -> None:
        """The error in an answer is for the agent; an answer without one is for the operator; both are undone."""
        self.service.answer = lambda: (409, {"error": "taken\x1b", "permanent": True})
        failure = self.failureResultOf(self.ask(self.webhook.publish(EXAMPLE)), Refused)
        self.assertEqual((str(failure.value), failure.value.permanent), ("taken", True))
        self.assertEqual(self.service.documents[-1]["event"], "withdraw")
        for answer in ((500, b""), (302, {}), (500, b"<html>"), (400, {"error": 1})):
            self.service.answer = lambda answer=answer: answer
            self.failureResultOf(self.ask(self.webhook.publish(EXAMPLE)), FetchFailed)

    def test_badUrls(self) -> None:
        """URLs must be texts."""
        for document in ({"urls": "x"}, {"urls": [1]}, {"urls": ["a\nb"]}, [], {"urls": ["x"] * 17}):
            self.service.answer = lambda document=document: (200, document)
            self.failureResultOf(self.ask(self.webhook.publish(EXAMPLE)), BadAnswer)

    def test_startsLater(self) -> None:
        """A webhook that is not there yet does not keep the gateway from starting."""
        self.service.answer = lambda: (503, b"")
        self.successResultOf(self.ask(self.webhook.start()))
        self.assertIn("was not told of our start", formatEvent(self.events[0]))

    def test_arguments(self) -> None:
        """A URL and a secret are needed."""
        self.patch(os, "environ", {})
        self.assertRaises(UsageError, create, "https://hook.test/", self.context)
        os.environ["DIGLETT_WEBHOOK_SECRET"] = "x"
        create("https://hook.test/", self.context)
        self.assertRaises(UsageError, create, "http://hook.test/", self.context)
