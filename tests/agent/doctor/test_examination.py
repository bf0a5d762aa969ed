"""The doctor at a real gateway in memory."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed

from diglett.agent.backend import DialledBackend
from diglett.agent.doctor.examination import Examination
from diglett.agent.doctor.findings import Findings
from diglett.agent.parts import Parts
from diglett.agent.service import Tunnel
from diglett.agent.status.asking import Told
from diglett.config.address import Address
from diglett.config.agent import AgentConfig
from diglett.config.backend import parseBackend
from diglett.config.tunnel import TunnelConfig
from diglett.link.dialling import Dialling
from diglett.plane.channel import Target
from diglett.testing import clientTrust
from diglett.wire.messages import Register
from tests.gateway.housekeeping import HouseTestCase
from tests.gateway.people import AGENTS, BACKEND, HTTP, Backends, Hand


class Web(Backends):
    """A web server that answers each request at once, with what `says` says."""

    says = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: test\r\n\r\nok"

    def answer(self) -> bool:
        """Answer those who have asked; whether there was anybody."""
        asked = [visitor for visitor in self if b"\r\n\r\n" in visitor.received and not visitor.closed]
        for visitor in asked:
            visitor.received.clear()
            visitor.send(self.says)
        return bool(asked)


class DoctorTestCase(HouseTestCase):
    """A house whose names are reached at the HTTP front, and who is to look at it."""

    def setUp(self) -> None:
        super().setUp()
        registry = self.house.registry
        registry._context = evolve(registry._context, urls=lambda fqdn, kind: (f"http://{fqdn}:{HTTP}",))
        self.house.backends.add(BACKEND)
        self.web = Web(self.plane, BACKEND)
        self.token: str | None = "alice"
        self.told: list[Told] = []
        self.asked: list[Any] = []
        self.unknown: set[str] = set()
        self.port = AGENTS

    def examine(self, *names: str, protocol: Any = "tls") -> Findings:
        """A whole examination; time passes until it is over."""
        findings = Findings(lambda finding: None)
        names = names or ("example",)
        tunnels = [
            Tunnel(Register(name), DialledBackend(self.plane, Target("localhost", BACKEND)), f"localhost:{BACKEND}")
            for name in names
        ]
        config = AgentConfig(
            gateway=Address("localhost", self.port),
            tunnels=tuple(TunnelConfig(name, parseBackend(f"localhost:{BACKEND}")) for name in names),
            protocol=protocol,
        )
        parts = Parts(
            plane=self.plane,
            state=Path("nowhere"),
            trust=clientTrust(),
            target=Target("localhost", self.port),
            token=lambda: self.token,
            tunnels=tuple(tunnels),
            dialling=Dialling,
        )
        examination = Examination(parts, config, findings, self.resolve, self.told, self.ask)
        running = Deferred.fromCoroutine(examination.run())
        for _ in range(400):
            self.plane.pump()
            if running.called:
                break
            if not self.web.answer():
                self.plane.advance(0.1, 0.1)
        self.successResultOf(running)
        self.plane.pump()
        return findings

    def resolve(self, host: str, port: int) -> Any:
        """Every name but those that are not known is loopback."""
        if host in self.unknown:
            return fail(OSError(errno.EHOSTUNREACH, f"the name {host} is not known"))
        return succeed([(2, ("127.0.0.1", port))])

    def ask(self, path: Path, question: dict[str, Any], seconds: float) -> Any:
        """A running agent hears a question."""
        self.asked.append(question)
        lookout = self.hands[0].service.lookout
        if question["ask"] == "expect":
            lookout.expect(bytes.fromhex(question["marker"]), bytes.fromhex(question["answer"]), 10)
        return succeed({"expecting": True})

    def running(self, *names: str, state: str = "connected", **told: Any) -> Hand:
        """A running agent of this user, as it would tell of itself."""
        hand = self.agent(*names)
        urls = [f"http://{name}.gateway.com:{HTTP}" for name in names]
        tunnels = [{"name": name, "type": "http", "urls": [url]} for name, url in zip(names, urls, strict=True)]
        answer = {"gateway": f"localhost:{AGENTS}", "state": state, "tunnels": tunnels, "streams": 0, **told}
        self.told.append(Told(4711, Path("socket"), answer))
        return hand

    def outcomes(self, findings: Findings) -> list[tuple[str, str]]:
        """Step and outcome of each."""
        return [(finding.step, finding.outcome) for finding in findings.all]

    def failure(self, findings: Findings) -> tuple[str, str]:
        """Step and code of the only one that failed."""
        [failure] = findings.failures
        return failure.step, failure.code


class ExaminationTests(DoctorTestCase):
    """`Examination`."""

    def test_well(self) -> None:
        """All steps in their order, and nothing is held afterwards."""
        findings = self.examine()
        steps = ["dns", "tcp", "tls", "protocol", "token", "name", "backend", "public"]
        self.assertEqual(self.outcomes(findings), [(step, "ok") for step in steps])
        self.assertEqual(findings.status, 0)
        self.assertEqual(len(self.house.agents), 0)
        self.assertIsNone(self.house.registry.find("example"))

    def test_dns(self) -> None:
        """Without addresses only the backend is left to be looked at."""
        self.unknown.add("localhost")
        findings = self.examine()
        self.assertEqual(self.outcomes(findings), [("dns", "failed"), ("backend", "ok")])
        self.assertEqual(findings.status, 1)

    def test_tcp(self) -> None:
        """Where nobody listens nothing more is tried."""
        self.port = 1
        self.assertEqual(self.outcomes(self.examine())[1:], [("tcp", "failed"), ("backend", "ok")])

    def test_silent(self) -> None:
        """Where nobody answers it gives up after a while."""
        self.plane.silent.add(Target("127.0.0.1", AGENTS))
        self.assertEqual(self.failure(self.examine())[0], "tcp")

    def test_notAGateway(self) -> None:
        """A server without TLS, and one with it that is no gateway."""
        self.port = HTTP
        self.assertEqual(self.failure(self.examine())[0], "tls")

    def test_token(self) -> None:
        """A refused token is for good."""
        self.token = "wrong"
        findings = self.examine()
        self.assertEqual(self.failure(findings), ("token", "login-refused"))
        self.assertEqual(findings.status, 3)
        self.assertIn(("protocol", "ok"), self.outcomes(findings))

    def test_names(self) -> None:
        """Each name is told of by itself; what may be used is gone on with."""
        self.house.book.add("carol", patterns=("c-*",))
        self.token = "carol"
        findings = self.examine("c-one", "other", "www", "c-two")
        names = {finding.about: finding.code or finding.outcome for finding in findings.all if finding.step == "name"}
        self.assertEqual(
            names, {"c-one": "ok", "c-two": "ok", "other": "name-not-allowed", "www": "name-reserved"}
        )
        self.assertEqual(sum(finding.step == "public" for finding in findings.all), 2)
        self.assertEqual(findings.status, 3)

    def test_taken(self) -> None:
        """Another's name may come free: that is not for good. Its holder notices nothing."""
        self.agent("example", token="bob")
        findings = self.examine()
        self.assertEqual(self.failure(findings), ("name", "name-taken"))
        self.assertEqual(findings.status, 1)
        self.assertEqual(self.hands[0].notes.events[1:], [])

    def test_shared(self) -> None:
        """A name that its holders share is not shared with the doctor: visitors would come to it."""
        self.agent("example", share=True)
        self.assertEqual(self.failure(self.examine()), ("name", "name-taken"))

    def test_backend(self) -> None:
        """A backend that is gone, one that is no web server, and one that has trouble of its own."""
        self.web.says = b"SSH-2.0-test\r\n"
        self.assertEqual(self.failure(self.examine()), ("backend", "backend-protocol"))
        self.web.says = b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n"
        findings = self.examine()
        self.assertIn(("backend", "warning"), self.outcomes(findings))
        self.assertEqual(findings.status, 0)
        self.web.listener.close()
        self.assertEqual(self.failure(self.examine()), ("backend", "backend-refused"))

    def test_publicName(self) -> None:
        """A public name that DNS does not know is told of with the record that is missing."""
        self.unknown.add("example.gateway.com")
        findings = self.examine()
        self.assertEqual(self.failure(findings), ("public", "public-dns"))
        self.assertIn("*.gateway.com", findings.failures[0].advice)

    def test_elsewhere(self) -> None:
        """When another server answers at the public URL that is noticed, after some patience with proxies."""
        registry = self.house.registry
        registry._context = evolve(registry._context, urls=lambda fqdn, kind: (f"http://{fqdn}:{BACKEND}",))
        findings = self.examine()
        self.assertEqual(self.failure(findings), ("public", "elsewhere"))
        self.assertIn("200 (test)", findings.failures[0].said)

    def test_login(self) -> None:
        """A login in front of the public URL cannot be seen through: a warning."""
        registry = self.house.registry
        registry._context = evolve(registry._context, urls=lambda fqdn, kind: (f"http://{fqdn}:{BACKEND}",))
        self.web.says = b"HTTP/1.1 401 who?\r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(self.outcomes(self.examine())[-1], ("public", "warning"))

    def test_gatewaysOwnAnswer(self) -> None:
        """A gateway that does not know the name says so itself."""
        registry = self.house.registry
        registry._context = evolve(registry._context, urls=lambda fqdn, kind: (f"http://other.gateway.com:{HTTP}",))
        self.assertEqual(self.failure(self.examine()), ("public", "no-such-name"))

    def test_visitorsMeanwhile(self) -> None:
        """A real visitor who comes while the name is ours is taken to the backend."""
        resolve, visitors = self.resolve, []

        def visitNow(host: str, port: int) -> Any:
            if host == "example.gateway.com":
                visitors.append(self.visit())
            return resolve(host, port)

        self.resolve = visitNow  # type: ignore[method-assign]
        self.assertEqual(self.examine().failures, [])
        [visitor] = visitors
        self.assertTrue(bytes(visitor.received).endswith(b"\r\n\r\nok"), bytes(visitor.received))

    def test_noSecret(self) -> None:
        """Nothing that is found holds the token."""
        self.token = "dig_secretsecretsecret"
        self.assertNotIn("secretsecret", json.dumps(self.examine().asJson()))


class RunningTests(DoctorTestCase):
    """Names that a running agent of this user holds."""

    def test_kept(self) -> None:
        """It keeps the name and the link; the way is tried through it."""
        hand = self.running("example")
        findings = self.examine()
        self.assertEqual(findings.failures, [])
        self.assertIn("held by your own agent 4711", str([f.said for f in findings.all if f.step == "name"]))
        self.assertIn("leads to this agent", findings.all[-1].said)
        self.assertEqual([question["ask"] for question in self.asked], ["expect"])
        self.assertTrue(hand.up)
        self.assertEqual(len(hand.notes.events), 1)

    def test_otherToken(self) -> None:
        """The doctor's own token is tried all the same."""
        self.running("example")
        self.token = "wrong"
        self.assertEqual(self.failure(self.examine()), ("token", "login-refused"))

    def test_others(self) -> None:
        """Names that it does not hold are tried as ever, beside those it does."""
        self.running("example")
        findings = self.examine("example", "fresh")
        self.assertEqual(findings.failures, [])
        self.assertEqual([f.about for f in findings.all if f.step == "public"],
                         [f"http://{name}.gateway.com:{HTTP}" for name in ("example", "fresh")])  # fmt: skip

    def test_otherGateway(self) -> None:
        """An agent at another gateway holds nothing here."""
        self.running("else", gateway="gateway.com:20000")
        self.assertEqual(self.examine("else").failures[0].code, "name-taken")

    def test_hung(self) -> None:
        """Beside an agent that does not answer no name is touched."""
        self.told.append(Told(4711, Path("socket"), None))
        findings = self.examine()
        self.assertEqual(self.failure(findings), ("name", "no-answer"))
        self.assertEqual(self.house.agents.total, 0)
