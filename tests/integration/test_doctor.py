"""`diglett doctor` as people run it: each step that can fail, failing for real."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import trustme

from tests.integration.components import freePort
from tests.integration.harness import Program
from tests.integration.services import nginx
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import curl

LIAR = """\
import json, sys
said = json.load(sys.stdin)
if said["event"] == "publish":
    print(json.dumps({"urls": [f"http://{said['fqdn']}:{sys.argv[1]}"]}))
"""
"""A registrar's program that takes its names to this port of loopback, whoever listens there."""


class DoctorTestCase(TunnelTestCase):
    """A gateway, a web server, and a doctor."""

    def setUp(self) -> None:
        """Start both."""
        super().setUp()
        self.house = self.gateway()
        self.site = nginx(self)

    def doctor(self, *words: str | Path, state: str = "state", **environment: str) -> tuple[int, str, Program]:
        """Run it to its end: status, what it said, itself."""
        environment["DIGLETT_STATE"] = str(self.folder / state)
        program = self.started((sys.executable, "-m", "diglett", "doctor", *words), environment)
        self.addCleanup(program.kill)
        status = program.ended()
        self.assertNotRegex(program.out + program.err, "Traceback|Unhandled")
        token = self.house.state / "token"
        if token.exists():
            self.assertNotIn(token.read_text().strip(), program.out + program.err)
        return status, program.out, program

    def check(self, *words: str | Path, **more: str) -> tuple[int, str]:
        """Ask about the house's gateway."""
        return self.doctor("-g", self.house.address, *words, **more)[:2]

    def failed(self, said: str) -> list[str]:
        """The steps that failed."""
        return re.findall(r"^FAILED +(\w+)", said, re.MULTILINE)

    def document(self, *words: str | Path, **more: str) -> tuple[int, Any]:
        """The same for programs."""
        status, said, _ = self.doctor("-g", self.house.address, "--json", *words, **more)
        return status, json.loads(said)


class WellTests(DoctorTestCase):
    """Nothing is wrong."""

    def test_well(self) -> None:
        """Every step is told, the name is given back, and the status is 0."""
        status, said = self.check("-n", "example", self.site)
        self.assertEqual(status, 0, said)
        steps = re.findall(r"^(?:ok|WARNING) +(\w+)", said, re.MULTILINE)
        wanted = ["dns", "tcp", "tls", "protocol", "token", "name", "backend", "public", "public"]
        self.assertEqual(steps, wanted)
        self.assertIn("leads to this agent", said)
        self.assertIn("browsers will warn", said)  # for the local authority is nobody's but ours
        self.house.program.waitFor("withdrawn example.localhost")
        self.agent(self.house, "-n", "example", self.site).waitFor("^https://")

    def test_json(self) -> None:
        """For programs it is one object, with a code for each step that is not well."""
        status, told = self.document("-n", "example", self.site)
        self.assertEqual((status, told["ok"], told["status"]), (0, True, 0))
        self.assertEqual({step["outcome"] for step in told["steps"]}, {"ok", "warning"})
        [warning] = [step for step in told["steps"] if step["outcome"] == "warning"]
        self.assertEqual((warning["step"], warning["code"]), ("public", "public-not-trusted"))

    def test_running(self) -> None:
        """A running agent keeps its name, its link and its visitors: the way is tried through it."""
        agent = self.agent(self.house, "-n", "example", self.site)
        agent.waitFor("^https://")
        status, said = self.check("-n", "example", self.site)
        self.assertEqual(status, 0, said)
        self.assertIn(f"is held by your own agent {agent.pid}", said)
        self.assertEqual(said.count("leads to this agent"), 2)
        self.assertEqual(agent.err, "")
        self.assertEqual(curl(self, self.house, self.house.url("example")).body, b"hello from nginx\n")
        self.assertEqual(self.house.program.out.count("withdrawn example"), 0)

    def test_stoppedAgent(self) -> None:
        """An agent that does not answer may hold the name: nothing is taken from it."""
        agent = self.agent(self.house, "-n", "example", self.site)
        agent.waitFor("^https://")
        os.kill(agent.pid, signal.SIGSTOP)
        try:
            status, said = self.check("-n", "example", self.site)
        finally:
            os.kill(agent.pid, signal.SIGCONT)
        self.assertEqual((status, self.failed(said)), (1, ["name"]))
        self.assertIn(f"agent {agent.pid} of yours does not answer", said)
        self.assertEqual(self.house.program.out.count("is connected"), 1)
        self.assertEqual(curl(self, self.house, self.house.url("example")).status, 200)

    def test_ports(self) -> None:
        """Names of type tcp and tls are tried with what their visitors would say first."""
        status, said = self.check("-n", "port", "--type", "tcp", self.site, "-n", "deep", "--type", "tls", self.site)
        self.assertEqual(status, 0, said)
        self.assertEqual(said.count("leads to this agent"), 2)

    def test_v1(self) -> None:
        """Version 1 has no trust and tells no URLs: that is said, and everything else is tried."""
        self.house = self.gateway("--allow-v1", state="original")
        status, said = self.check("--protocol", "v1", "-n", "example", self.site, state="original")
        self.assertEqual(status, 0, said)
        self.assertIn("ok       token", said)
        self.assertIn("what could be tried is well, and tls, public could not", said)
        self.house.program.waitFor("withdrawn example.localhost")

    def test_folder(self) -> None:
        """A folder is a backend like others."""
        (self.folder / "public").mkdir()
        status, said = self.check("-n", "files", self.folder / "public")
        self.assertEqual(status, 0, said)


class FailingTests(DoctorTestCase):
    """One thing is wrong at a time."""

    def test_noSuchHost(self) -> None:
        """A name that does not exist ends at the first step, and the backend is looked at all the same."""
        status, said, _ = self.doctor("-g", "gateway.invalid", "-n", "example", self.site)
        self.assertEqual((status, self.failed(said)), (1, ["dns"]))
        self.assertIn("ok       backend", said)

    def test_wrongPort(self) -> None:
        """Where nobody listens it says which port to look for."""
        status, said, _ = self.doctor("-g", f"localhost:{freePort()}", "-n", "example", self.site)
        self.assertEqual((status, self.failed(said)), (1, ["tcp"]))
        self.assertIn("connection refused", said)

    def test_notTls(self) -> None:
        """Something else at the port is found out by TLS."""
        status, said, _ = self.doctor("-g", self.site, "-n", "example", self.site)
        self.assertEqual((status, self.failed(said)), (1, ["tls"]))

    def test_frontOnly(self) -> None:
        """The HTTPS front takes agents: it is a gateway as well."""
        status, said, _ = self.doctor("-g", f"localhost:{self.house.https}", "-n", "example", self.site)
        self.assertEqual(status, 0, said)

    def test_unknownAuthority(self) -> None:
        """A gateway that is not trusted is refused for good, with its fingerprint; nothing is sent to it."""
        status, said = self.check("-n", "example", self.site, state="elsewhere", DIGLETT_TOKEN="dig_notforyou")
        self.assertEqual((status, self.failed(said)), (3, ["tls"]))
        self.assertIn("unknown authority", said)
        self.assertIn(self.house.fingerprint, said)
        self.assertNotIn("dig_notforyou", said)

    def test_wrongAuthority(self) -> None:
        """So is one that another authority should have certified."""
        other = self.folder / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        status, said = self.check("--ca", other, "-n", "example", self.site)
        self.assertEqual((status, self.failed(said)), (3, ["tls"]))

    def test_wrongToken(self) -> None:
        """A token that is not good is refused at its step, and is not shown."""
        status, said = self.check("-n", "example", self.site, DIGLETT_TOKEN="dig_wrongwrongwrong")
        self.assertEqual((status, self.failed(said)), (3, ["token"]))
        self.assertIn("ok       protocol", said)
        self.assertNotIn("dig_wrong", said)

    def test_notAllowed(self) -> None:
        """A name that the account may not use fails, and the other one is gone on with."""
        token = self.someone("alice", "alice-*")
        status, told = self.document(
            "-n", "example", self.site, "-n", "alice-site", self.site, DIGLETT_TOKEN=token
        )
        self.assertEqual(status, 3)
        names = {step["about"]: step["outcome"] for step in told["steps"] if step["step"] == "name"}
        self.assertEqual(names, {"example": "failed", "alice-site": "ok"})
        self.assertEqual([s["code"] for s in told["steps"] if s["outcome"] == "failed"], ["name-not-allowed"])

    def test_taken(self) -> None:
        """A name of somebody else is taken, which may pass."""
        token = self.someone("alice", "*")
        self.trusting()
        hers = self.agent(self.house, "-n", "example", self.site, state="hers", DIGLETT_TOKEN=token)
        hers.waitFor("^https://")
        status, said = self.check("-n", "example", self.site)
        self.assertEqual((status, self.failed(said)), (1, ["name"]))
        self.assertIn("in use", said)

    def test_backendDown(self) -> None:
        """A backend that is not there is told of, and so is one that speaks something else."""
        status, said = self.check("-n", "example", f"localhost:{freePort()}")
        self.assertEqual((status, self.failed(said)), (1, ["backend"]))
        self.assertIn("connection refused", said)

    def test_backendWantsTls(self) -> None:
        """For a backend with TLS it says how to write it."""
        status, said = self.check("-n", "example", f"localhost:{self.house.https}")
        self.assertEqual(self.failed(said), ["backend"])
        self.assertIn(f"https://localhost:{self.house.https}", said)

    def test_elsewhere(self) -> None:
        """When the public name leads to another server, that is found out, though the server answers."""
        other = nginx(self, folder="other").rpartition(":")[2]
        liar = self.folder / "liar.py"
        liar.write_text(LIAR)
        self.house = self.gateway("--register", f"exec:{sys.executable} {liar} {other}", state="second")
        status, said = self.check("-n", "example", self.site, state="second")
        self.assertEqual((status, self.failed(said)), (1, ["public"]))
        self.assertIn("another server answers: 404 (nginx", said)

    def test_usage(self) -> None:
        """Wrong usage is status 2."""
        status, _, program = self.doctor("-g", "localhost")
        self.assertEqual(status, 2)
        self.assertIn("no BACKEND", program.err)

    def someone(self, account: str, names: str) -> str:
        """Another user's token."""
        made = self.launchOurs(
            "-c", "import sys; from diglett.server import main; sys.exit(main())",
            "token", "add", account, "--names", names, DIGLETT_STATE=str(self.house.state),
        )  # fmt: skip
        made.ended()
        found = re.search(r"dig_\S+", made.out)
        assert found is not None, str(made)
        return found[0]

    def trusting(self) -> None:
        """Give another user's agent what it needs besides."""
        state = self.folder / "hers"
        state.mkdir(mode=0o700)
        (state / "ca.pem").write_bytes(self.house.ca.read_bytes())


class PublicTests(TunnelTestCase):
    """A gateway whose domain does not lead anywhere."""

    def test_noDns(self) -> None:
        """A public name without a DNS record is told of, with the record that is missing."""
        house: Gateway = self.gateway(domain="gateway.invalid")
        state = str(self.folder / "state")
        words = ("doctor", "-g", f"127.0.0.1:{house.agents}", "-n", "example", nginx(self))
        program = self.started((sys.executable, "-m", "diglett", *words), {"DIGLETT_STATE": state})
        self.addCleanup(program.kill)
        self.assertEqual(program.ended(), 1)
        self.assertIn("*.gateway.invalid", program.out)
