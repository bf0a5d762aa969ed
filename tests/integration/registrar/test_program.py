"""`exec` with real programs."""

from __future__ import annotations

import json
import sys

from diglett.errors import Refused, UsageError
from tests.integration.registrar.support import RegistrarTestCase

PROGRAM = """\
import json, os, sys
said = json.load(sys.stdin)
with open(sys.argv[1], "a") as log:
    log.write(json.dumps([said, sys.argv[2:], sorted(key for key in os.environ if "DIGLETT" in key)]) + "\\n")
name = said.get("name")
if name == "taken" and said["event"] == "publish":
    print(json.dumps({"error": "taken is taken", "permanent": True})); sys.exit(1)
if name == "bug" and said["event"] == "publish":
    print("secret detail", file=sys.stderr); sys.exit(3)
if name == "slow" and said["event"] == "publish":
    import time; time.sleep(60)
if name == "nonsense":
    print("no json"); sys.exit()
if said["event"] == "publish":
    print(json.dumps({"urls": ["https://" + said["fqdn"] + "/x"]}))
"""


class ProgramTests(RegistrarTestCase):
    """A program is run for each event."""

    def setUp(self) -> None:
        super().setUp()
        self.program = self.write("program.py", PROGRAM)
        self.spec = f"exec:{sys.executable} {self.program} {self.folder}/log 'two words' $HOME"

    def events_(self) -> list:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line)[0] for line in lines]

    async def test_events(self) -> None:
        """Start, publish and withdraw, each with a document; its URLs are the lease's."""
        publisher = await self.publisher(self.spec)
        backend = self.backend("one")
        one = await self.publish(publisher, backend)
        self.assertEqual(one.urls, ("https://one.gateway.test/x",))
        await one.withdraw()
        start, publish, withdraw = self.events_()
        self.assertEqual(start, {"event": "start", "gateway": "g1", "domain": "gateway.test"})
        self.assertEqual(
            publish,
            {
                **start,
                "event": "publish",
                "name": "one",
                "fqdn": "one.gateway.test",
                "host": "127.0.0.1",
                "port": backend.registration.port,
                "kind": "http",
                "proxyProtocol": False,
            },
        )
        self.assertEqual(withdraw, {**publish, "event": "withdraw"})

    async def test_noShell(self) -> None:
        """Quotes group words, nothing is expanded, and our own variables are not passed on."""
        import os

        os.environ["DIGLETT_TEST_SECRET"] = "x"
        self.addCleanup(os.environ.pop, "DIGLETT_TEST_SECRET")
        await self.publisher(self.spec)
        _, arguments, variables = json.loads((self.folder / "log").read_text())
        self.assertEqual((arguments, variables), (["two words", "$HOME"], []))

    async def test_refuses(self) -> None:
        """What it has against a name is told to the agent; what it wrote to standard error only to the operator."""
        publisher = await self.publisher(self.spec)
        error = await self.assertFailure(publisher.publish(self.backend("taken").registration), Refused)
        self.assertEqual((str(error), error.permanent), ("taken is taken", True))
        error = await self.assertFailure(publisher.publish(self.backend("bug").registration), Refused)
        self.assertNotIn("secret", str(error))
        self.assertIn("ended with status 3: secret detail", self.logged())
        await self.assertFailure(publisher.publish(self.backend("nonsense").registration), Refused)
        self.assertEqual(self.events_()[-1]["event"], "withdraw")

    async def test_slow(self) -> None:
        """A program that takes too long is killed, and the name withdrawn."""
        publisher = await self.publisher(f"{self.spec},timeout=1")
        await self.assertFailure(publisher.publish(self.backend("slow").registration), Refused)
        self.assertIn("no answer within 1 s", self.logged())
        await self.until("it was withdrawn", lambda: self.events_()[-1]["event"] == "withdraw")

    async def test_missing(self) -> None:
        """A program that is not there, or fails at the start, keeps the gateway from starting."""
        for spec in ("exec:/no/such/program", "exec:false"):
            publisher = await self.publisher(spec, start=False)
            await self.assertFailure(publisher.start(), Exception)
        await self.assertFailure(self._open("exec:"), UsageError)
        await self.assertFailure(self._open("exec:'x"), UsageError)

    def _open(self, spec: str):
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(self.publisher(spec, start=False))
