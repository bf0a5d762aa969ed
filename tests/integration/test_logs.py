"""`--log-format json` at both ends: real events, each one line that a program can read."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from typing import Any

from tests.integration.harness import Program
from tests.integration.services import nginx
from tests.integration.tunnel import LOOPBACK, TunnelTestCase

STANDARD = {"time", "level", "event", "message"}


class LogTestCase(TunnelTestCase):
    """A gateway whose lines are read by a program."""

    def setUp(self) -> None:
        """Start it, and a web server."""
        super().setUp()
        self.site = nginx(self)
        self.house = self.launchServer(
            "--listen", LOOPBACK, "--https", LOOPBACK, "--http", "none", "--log-format", "json"
        )
        self.port = self.house.waitFor(r'"event": "started".*"agents": (\d+)')[1]
        self.token = (self.folder / "state" / "token").read_text().strip()

    def lines(self, program: Program) -> list[dict[str, Any]]:
        """What it has written to stdout, every line of it understood."""
        return [json.loads(line) for line in program.out.splitlines()]

    def events(self, program: Program, event: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.lines(program) if line["event"] == event]

    def wait(self, program: Program, event: str, times: int = 1) -> dict[str, Any]:
        """The last line of a kind, once there are so many."""
        program.waitFor(rf'"event": "{event}".*\n', times)
        return self.events(program, event)[-1]

    def come(self, *words: str, **environment: str) -> Program:
        """An agent that tells programs how it is."""
        return self.agent(
            None, "-g", f"localhost:{self.port}", "--log-format", "json", *words, self.site, **environment
        )


class GatewayTests(LogTestCase):
    """The gateway's lines."""

    def test_life(self) -> None:
        """An agent comes and goes: each is one line, with who, from where, what, why and for how long."""
        agent = self.come("-n", "example")
        up = self.wait(self.house, "link-up")
        self.assertEqual((up["account"], up["names"], up["level"]), (self.account(), ["example.localhost"], "info"))
        self.assertTrue(up["software"].startswith("diglett/"))
        self.assertEqual(self.wait(self.house, "registered")["name"], "example.localhost")
        agent.stop()
        down = self.wait(self.house, "link-down")
        self.assertEqual((down["account"], down["names"], down["peer"]), (up["account"], up["names"], up["peer"]))
        self.assertEqual((down["reason"], down["code"]), ("the agent has left", "left"))
        self.assertGreaterEqual(down["seconds"], 0)
        self.wait(self.house, "withdrawn")

    def test_ends(self) -> None:
        """However a link ends, exactly one line tells why."""
        self.ending(lambda agent: agent.kill(), "link-lost")
        self.ending(lambda agent: agent.stop(signal.SIGINT), "left")
        agent = self.come("-n", "example")
        self.wait(self.house, "link-up", 3)
        os.kill(self.house.pid, signal.SIGTERM)
        self.house.ended()
        self.assertEqual(len(self.events(self.house, "link-down")), 3)
        self.assertEqual(self.events(self.house, "link-down")[-1]["code"], "draining")
        agent.stop()

    def ending(self, end: Any, code: str) -> None:
        """One agent's end."""
        before = len(self.events(self.house, "link-down"))
        agent = self.started_("-n", "example")
        self.wait(self.house, "link-up", before + 1)
        end(agent)
        down = self.wait(self.house, "link-down", before + 1)
        self.assertEqual(down["code"], code)
        self.assertTrue(down["reason"])

    def started_(self, *words: str) -> Program:
        """An agent that may be killed."""
        program = self.started(
            (sys.executable, "-m", "diglett", "-g", f"localhost:{self.port}", *words, self.site),
            {"DIGLETT_STATE": str(self.folder / "state")},
        )
        self.addCleanup(program.kill)
        return program

    def test_refused(self) -> None:
        """Whoever is not let in makes a line with the reason, and no token is in it."""
        wrong = "dig_wrongwrongwrongwrong"
        agent = self.come("-n", "example", DIGLETT_TOKEN=wrong)
        self.assertEqual(agent.ended(), 3)
        refused = self.wait(self.house, "agent-refused")
        self.assertEqual(refused["code"], "login-refused")
        self.assertTrue(self.wait(self.house, "login-refused")["reason"])
        with socket.create_connection(("127.0.0.1", int(self.port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.recv(100)
        self.assertIn("TLS failed", self.wait(self.house, "agent-refused", 2)["reason"])
        self.assertNotIn(wrong, self.house.out + self.house.err + agent.out + agent.err)

    def test_everyLine(self) -> None:
        """Every line of a whole life is an object with the same four fields, names of events are words, nothing is
        secret."""
        agent = self.come("-n", "example")
        self.wait(self.house, "link-up")
        agent.stop()
        self.assertEqual(self.house.stop(), 0)
        for line in self.lines(self.house):
            self.assertEqual(STANDARD - line.keys(), set(), line)
            self.assertRegex(line["event"], r"^[a-z][a-z0-9-]*$")
            self.assertIn(line["level"], ("debug", "info", "warn", "error", "critical"))
        self.assertEqual(self.house.err, "")
        self.assertNotIn(self.token, self.house.out)

    def account(self) -> str:
        """The first account's name, as the gateway tells it."""
        found = re.search(r"first token, for (\w+)", self.house.out)
        assert found is not None
        return found[1]


class AgentTests(LogTestCase):
    """The agent's lines."""

    def test_life(self) -> None:
        """Up, lost and stopped are one line each, with what there is to know."""
        agent = self.come("-n", "example")
        up = self.wait(agent, "up")
        self.assertEqual((up["level"], up["again"], up["gateway"]), ("info", False, f"localhost:{self.port}"))
        self.assertEqual([tunnel["backend"] for tunnel in up["tunnels"]], [self.site])
        self.house.kill()
        lost = self.wait(agent, "lost")
        self.assertEqual((lost["level"], lost["code"]), ("warn", "link-lost"))
        self.assertTrue(lost["reason"])
        self.wait(agent, "retrying")
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(len(self.events(agent, "lost")), 1)
        self.assertEqual(self.wait(agent, "stopped")["code"], "asked")
        self.assertEqual(agent.err, "")


class DaemonTests(TunnelTestCase):
    """twistd's own options for the log go on working."""

    def test_file(self) -> None:
        """With --logfile the lines are in that file, and nothing but them."""
        log = self.folder / "gateway.log"
        program = self.launchOurs(
            "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "--logfile", log,
            "diglett-server", "--listen", LOOPBACK, "--https", LOOPBACK, "--http", "none", "--log-format", "json",
            DIGLETT_STATE=str(self.folder / "state"),
        )  # fmt: skip
        self.until("it has started", lambda: log.exists() and '"started"' in log.read_text())
        self.assertEqual(program.stop(), 0)
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        self.assertIn("started", events)
        self.assertIn("notice", events)
