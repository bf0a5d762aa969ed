"""`webhook` with a real web service: told of names, slow, out of order, away."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from diglett.errors import Refused
from tests.integration.components import freePort, reactor
from tests.integration.registrar.support import RegistrarTestCase


class _Service(Resource):
    """Notes what it is told, and answers with `status`; None is not at all."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []
        self.signed: list[bool] = []
        self.status: int | None = 204

    def render_POST(self, request: Any) -> Any:
        body = request.content.read()
        fields = dict(part.split("=", 1) for part in request.getHeader("Diglett-Signature").split(","))
        expected = hmac.new(b"s3cret", fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        self.signed.append(hmac.compare_digest(expected, fields["v1"]))
        self.told.append(json.loads(body))
        if self.status is None:
            request.notifyFinish().addErrback(lambda _: None)
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        return b""

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(told["event"], told.get("name", "")) for told in self.told]


class WebhookTests(RegistrarTestCase):
    """Names come and go in a list somewhere."""

    def setUp(self) -> None:
        super().setUp()
        self.port = freePort()
        secret = self.write("secret", "s3cret\n")
        self.spec = f"webhook:http://127.0.0.1:{self.port}/hook,secret-file={secret},timeout=1"
        self.service = _Service()

    def listen(self) -> None:
        """Start the service."""
        listening = reactor.listenTCP(self.port, Site(self.service), interface="127.0.0.1")
        self.addCleanup(lambda: Deferred.fromCoroutine(self._close(listening)))

    async def _close(self, listening: Any) -> None:
        await listening.stopListening()
        await self.sleep(0.05)  # its connections end

    async def test_events(self) -> None:
        """Each event is told once, and signed."""
        self.listen()
        publisher = await self.publisher(self.spec)
        one = await self.publish(publisher, self.backend("one"))
        await one.withdraw()
        await publisher.stop()
        self.assertEqual(self.service.events, [("start", ""), ("publish", "one"), ("withdraw", "one")])
        self.assertTrue(all(self.service.signed))

    async def test_trouble(self) -> None:
        """Slow, failing or away: the agent is told in time, the name is taken back, other registrars do their work."""
        publisher = await self.publisher(self.spec, "print")
        self.assertIn("was not told of our start", self.logged())
        for status, listens in ((0, False), (None, True), (500, True), (302, True)):
            if listens and not self.service.told:
                self.listen()
            self.service.status = status
            self.service.told.clear()
            began = reactor.seconds()
            error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
            self.assertRegex(str(error), "webhook (failed|did not answer in time); the gateway's log has the reason")
            self.assertLess(reactor.seconds() - began, 4)
            if listens:
                self.assertEqual(self.service.events, [("publish", "one"), ("withdraw", "one")])
            self.service.told.append({"event": "x"}) if listens else None
        self.service.status = 204
        self.service.told.clear()
        one = await self.publish(publisher, self.backend("one"))
        await one.withdraw()
        await publisher.stop()
        self.assertEqual(self.service.events, [("publish", "one"), ("withdraw", "one")])
        self.assertEqual(self.logged().count("registered one"), self.logged().count("withdrawn one"))
