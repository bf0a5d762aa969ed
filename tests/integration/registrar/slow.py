"""What must be true of every registrar while its proxy hangs."""

from __future__ import annotations

import os
import signal
from typing import Any

from diglett.errors import Refused
from tests.integration.components import Running, reactor

_LIMIT = 3.0
"""Seconds the registrar has, here."""


class SlowTests:
    """A mixin for test cases of registrars: `hangs` starts the proxy, `spec` names the registrar."""

    spec: str
    probe: str
    honest = "did not route two.gateway.test to the gateway within 1 s: no answer|did not answer in time"

    async def hangs(self) -> Running:
        """Start the proxy, all of which will be stopped."""
        raise NotImplementedError

    async def test_hangs(self: Any) -> None:
        """The agent hears in time why its name is not reachable; nothing stays of it, and other names are served on."""
        proxy = await self.hangs()
        publisher = await self.publisher(f"{self.spec},probe={self.probe},probe-timeout=1", "print")
        await self.publish(publisher, self.backend("one"))
        client = await self.webSocket(self.https, "one")
        family = await self.family(proxy)
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        self.addCleanup(self._resume, family)
        publisher.publishTimeout, patience = _LIMIT, publisher.publishTimeout
        began = reactor.seconds()
        error = await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertLess(reactor.seconds() - began, _LIMIT + 1)
        self.assertRegex(str(error), self.honest)
        self.assertFalse(error.permanent)
        self._resume(family)
        publisher.publishTimeout = patience
        await self.until("the other registrar was told", lambda: "withdrawn two.gateway.test" in self.logged(), 5)
        await self.gone(self.https, "two")
        await self.echo(client, b"still there")
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        await self.publish(publisher, self.backend("three"))
        self.assertEqual((await self.visit(self.https, "three"))[0], 200)
        await self.gone(self.https, "two")

    def _resume(self, family: list[int]) -> None:
        for pid in family:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
