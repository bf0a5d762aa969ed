"""Tokens: in no log and no message, and never compared in a way that tells how much of one was right."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

import diglett
from diglett.wire.frames import Kind
from tests.gateway.housekeeping import HouseTestCase

TOKEN = "dig_Sup3rS3cretT0kenThatNobodyMaySee"
_SECRET = re.compile(r"token|secret|password|digest|credential|signature|hashed|authorization", re.IGNORECASE)

HARMLESS = {
    "diglett/agent/doctor/admission.py": ["stage == 'token'"],  # a step's name
    "diglett/agent/doctor/examination.py": ["each.step == 'token'"],
    "diglett/auth/htpasswd.py": ["known != account.credential"],  # two hashes, both out of the operator's file
    "diglett/peek/proxy.py": ["buffer[:size] == version.SIGNATURE[:len(buffer)]"],  # a protocol's magic
    "diglett/server.py": ["words[:1] == ['token']"],  # a command's name
    "diglett/wire/v1/gateway.py": ["token == REFUSED_TOKEN"],  # a word of the original protocol
}
"""Comparisons that look like those of secrets, and why they are not."""


class LogTests(HouseTestCase):
    """Whatever happens to a token, it is not written down."""

    def setUp(self) -> None:
        super().setUp()
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def empty(self) -> None:
        super().empty()
        self.flushLoggedErrors()
        written = "\n".join([*map(formatEvent, self.events), *map(repr, self.events)])
        self.assertGreater(len(self.events), 0)
        self.assertNotIn("Sup3rS3cret", written)

    def test_good(self) -> None:
        """A token that opens the door, and is taken away later."""
        self.house.book.add(TOKEN)
        self.house.book.accounts[TOKEN] = self.house.book.accounts["alice"]
        hand = self.agent(token=TOKEN)
        self.assertTrue(hand.up)
        del self.house.book.accounts["alice"]
        self.house.book.changed()
        self.plane.pump()

    def test_bad(self) -> None:
        """One that does not, shown often enough to be throttled."""
        for _ in range(8):
            hand = self.agent(token=TOKEN)
            self.plane.pump()
        for error in hand.ended:
            self.assertNotIn("Sup3rS3cret", str(error))

    def test_failing(self) -> None:
        """One that the authenticator chokes on."""
        self.house.book.answer = RuntimeError("cannot look it up")
        self.agent(token=TOKEN)

    def test_misplaced(self) -> None:
        """One in a malformed Login, in a name, in a hello."""
        for payload in (f'{{"token": "{TOKEN}", "agent": 1}}', f'{{"token": "{TOKEN}"', f'{{"token": ["{TOKEN}"]}}'):
            stranger = self.house.stranger()
            stranger.greet()
            stranger.frame(Kind.LOGIN, 0, payload.encode())
            self.assertEqual(stranger.error, "protocol")
            self.assertNotIn(b"Sup3rS3cret", bytes(stranger.end.received))

    def test_objects(self) -> None:
        """It is not in the `repr` of what holds it either, where tracebacks would show it."""
        self.agent(token=TOKEN)
        self.assertNotIn("Sup3rS3cret", repr(self.house.book.asked))


class ComparisonTests(SynchronousTestCase):
    """The code itself."""

    def test_constantTime(self) -> None:
        """Nothing that sounds like a secret is compared with == or !=, but for what is known to be none."""
        root = Path(diglett.__file__).parent
        found: dict[str, list[str]] = {}
        for path in sorted(root.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
                    text = ast.unparse(node)
                    if _SECRET.search(text) and "len(" not in text.partition("=")[0]:
                        found.setdefault(f"diglett/{path.relative_to(root).as_posix()}", []).append(text)
        self.assertEqual(found, HARMLESS)
