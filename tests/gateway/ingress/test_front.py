"""Which name a request is for, and the table of visitors."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.ingress.front import HttpFront
from diglett.wire.frames import Way


class Name:
    """A name somebody holds."""

    def __init__(self, kind: str = "http") -> None:
        self.kind = kind


class Names(dict):  # type: ignore[type-arg]
    """As much of a registry as routing needs."""

    def find(self, name: str) -> Name | None:
        return self.get(name)

    def away(self, name: str) -> float | None:
        return 1.0 if name == "gone" else None


class RouteTests(SynchronousTestCase):
    """`route`."""

    def setUp(self) -> None:
        self.names = Names(one=Name(), raw=Name("tcp"), sealed=Name("tls"))
        self.clock = Clock()
        self.front = self.newFront()

    def newFront(self, grace: float = 0.0) -> HttpFront:
        names: Any = self.names
        crowd = Crowd("visitors", self.clock.seconds, 10)
        front = HttpFront(self.clock, names, "gateway.com", lambda address: False, crowd)
        front.begin(grace)
        return front

    def refusal(self, host: str | None, serverName: str | None = None, front: HttpFront | None = None) -> str:
        error = self.assertRaises(Refused, (front or self.front).route, host, serverName)
        return str(error.code)

    def test_found(self) -> None:
        """A label right under the domain is its name; SNI must be the same, if there is any."""
        self.assertIs(self.front.route("one.gateway.com", None), self.names["one"])
        self.assertIs(self.front.route("one.gateway.com", "one.gateway.com"), self.names["one"])

    def test_notForHttp(self) -> None:
        """A name that was asked for as `tcp` or `tls` is not reached by HTTP: its service expects none."""
        for host in ("raw.gateway.com", "sealed.gateway.com"):
            self.assertEqual(self.refusal(host), "no-such-name")
            self.assertEqual(self.refusal(host, host), "no-such-name")

    def test_nobody(self) -> None:
        """Everything else belongs to nobody: the domain itself, deeper names, other domains, addresses."""
        for host in (
            "gateway.com", ".gateway.com", "a.one.gateway.com", "one.gateway.com.evil.org", "onegateway.com",
            "one.gateway.com.", "10.0.0.1", "[::1]", "localhost", "one", "", "ONE.gateway.com", "gone.evil.org",
        ):  # fmt: skip
            self.assertEqual(self.refusal(host), "no-such-name", host)

    def test_others(self) -> None:
        """A host that is missing, not the one of SNI, or whose agent has left, is told apart."""
        self.assertEqual(self.refusal(None), "no-host")
        self.assertEqual(self.refusal("one.gateway.com", "two.gateway.com"), "misdirected")
        self.assertEqual(self.refusal("gone.gateway.com"), "agent-away")

    def test_starting(self) -> None:
        """Right after the start a name that nobody holds may be on its way back; a little later there is none."""
        front = self.newFront(10.0)
        for seconds, code in ((0.0, "starting"), (9.9, "starting"), (0.2, "no-such-name")):
            self.clock.advance(seconds)
            self.assertEqual(self.refusal("two.gateway.com", front=front), code)
            for host in ("raw.gateway.com", "a.two.gateway.com", "two.evil.org"):
                self.assertEqual(self.refusal(host, front=front), "no-such-name")
            self.assertEqual(self.refusal("gone.gateway.com", front=front), "agent-away")
            self.assertIs(front.route("one.gateway.com", None), self.names["one"])

    def test_startingLater(self) -> None:
        """What counts is when serving begins, not since when there is a front."""
        front = self.newFront()
        self.clock.advance(60.0)
        self.assertEqual(self.refusal("two.gateway.com", front=front), "no-such-name")
        front.begin(10.0)
        self.assertEqual(self.refusal("two.gateway.com", front=front), "starting")
        self.clock.advance(10.0)
        self.assertEqual(self.refusal("two.gateway.com", front=front), "no-such-name")

    @given(st.text(alphabet="one.gatwycm-:[]\x00/@%A", max_size=40))
    def test_onlyItsOwn(self, host: str) -> None:
        """No host but the one finds the name."""
        if host != "one.gateway.com":
            self.assertRaises(Refused, self.front.route, host, None)

    def test_way(self) -> None:
        """Agents are told by which door a visitor came."""
        self.assertEqual((self.front.way(True), self.front.way(False)), (Way.HTTPS, Way.HTTP))
