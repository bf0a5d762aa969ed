"""Visitors who come while the agents are still on their way from another gateway."""

from __future__ import annotations

from tests.gateway.housekeeping import GET, OK
from tests.gateway.ingress.test_tls import Browser, TLSTestCase
from tests.gateway.people import HTTP

PATIENCE = 5.0


class LobbyTests(TLSTestCase):
    """`Lobby`, at the fronts of a house that has just been taken over."""

    def setUp(self) -> None:
        """Expect two agents; one name is there already."""
        super().setUp()
        self.lobby = self.house.front.lobby
        self.lobby.expect(["soon", "sealed", "example"])
        self.house.plane.advance(1)

    def visit(self, name: bytes) -> object:
        """Somebody who asks by plain HTTP."""
        visitor = self.house.connect(HTTP)
        visitor.send(GET % name)
        self.house.plane.pump()
        return visitor

    def test_https(self) -> None:
        """Who comes by https waits until the agent is there, and is served as if nothing had been."""
        browser = Browser(self.house, "soon.gateway.com")
        self.assertEqual((browser.shaken, len(self.lobby)), ([], 1))
        behind = self.house.backend(9_001)
        self.agent("soon", backends=(9_001,))
        self.house.plane.advance(0.1)
        self.assertEqual(browser.shaken, [None])
        browser.say(GET % b"soon")
        behind.say(0, OK)
        self.assertEqual(browser.heard, OK)

    def test_sealed(self) -> None:
        """A visitor of a name whose TLS ends behind the agent is not answered with ours."""
        browser = Browser(self.house, "sealed.gateway.com")
        behind = self.seal()
        self.house.plane.advance(0.1)
        self.assertTrue(bytes(behind[0].received).startswith(b"\x16\x03"))
        self.assertEqual(browser.shaken, [])

    def test_plain(self) -> None:
        """By http nobody knows whose visitor it is before all are there."""
        visitor = self.visit(b"example")
        self.assertEqual((bytes(visitor.received), len(self.lobby)), (b"", 1))  # type: ignore[attr-defined]
        self.agent("soon")
        self.house.plane.advance(0.1)
        self.assertEqual(len(self.lobby), 1)
        self.seal()
        self.house.plane.advance(0.1)
        self.backends.say(0, OK)
        self.assertEqual(bytes(visitor.received), OK)  # type: ignore[attr-defined]

    def test_others(self) -> None:
        """Names that are there already, names that nobody expects, and agents do not wait."""
        for name in ("example.gateway.com", "nobody.gateway.com", None):
            self.assertEqual(Browser(self.house, name).shaken, [None])
        self.assertEqual(len(self.lobby), 0)

    def test_inVain(self) -> None:
        """After five seconds those who still wait hear that the agent is away."""
        self.house.registry.missed(["soon"])
        browser, visitor = Browser(self.house, "soon.gateway.com"), self.visit(b"soon")
        self.house.plane.advance(PATIENCE)
        browser.say(GET % b"soon")
        for heard in (browser.heard, bytes(visitor.received)):  # type: ignore[attr-defined]
            self.assertTrue(heard.startswith(b"HTTP/1.1 503 "), heard)
            self.assertIn(b"\r\nRetry-After: ", heard)
        self.assertTrue(self.lobby.open)
        self.assertEqual(Browser(self.house, "soon.gateway.com").shaken, [None])

    def test_left(self) -> None:
        """Who does not want to wait leaves nothing behind, and neither does a house that is closed meanwhile."""
        browser, visitor = Browser(self.house, "soon.gateway.com"), self.visit(b"soon")
        browser.raw.abort()
        self.house.plane.pump()
        self.assertEqual(len(self.lobby), 1)
        visitor.channel.close()  # type: ignore[attr-defined]
        self.house.stop()
        self.house.plane.advance(1)
        crowds = self.house.crowds
        self.assertEqual((len(self.lobby), len(crowds.visitors), len(crowds.handshakes)), (0, 0, 0))
