"""`diglett status`: what running agents say of themselves is what a visitor would find."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from typing import Any

from tests.integration.components import freePort
from tests.integration.services import nginx
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import curl


class StatusTestCase(TunnelTestCase):
    """Somebody who asks."""

    def status(self, *words: str) -> tuple[int, str]:
        """Exit status, and what it said."""
        program = self.started(
            (sys.executable, "-m", "diglett", "status", *words), {"DIGLETT_STATE": str(self.folder / "state")}
        )
        self.addCleanup(program.kill)
        status = program.ended()
        self.assertEqual(program.err, "")
        return status, program.out

    def agents(self) -> tuple[int, list[Any]]:
        """The same for programs."""
        status, said = self.status("--json")
        return status, json.loads(said)["agents"]

    def sockets(self) -> list[str]:
        """Those of running agents, and what is left of others."""
        folder = self.folder / "state" / "agents"
        return sorted(os.listdir(folder)) if folder.exists() else []


class RunningTests(StatusTestCase):
    """Agents that are well."""

    def test_none(self) -> None:
        """Without an agent it says so, with a status of its own."""
        status, said = self.status()
        self.assertEqual(status, 4)
        self.assertIn("no agent of yours is running", said)
        self.assertEqual(self.agents(), (4, []))

    def test_connected(self) -> None:
        """Names, URLs, backends and counts are those of the tunnel; only the user can ask."""
        site = nginx(self)
        house = self.gateway()
        agent = self.agent(house, "-n", "example", site)
        agent.waitFor("^https://")
        for _ in range(3):
            self.assertEqual(curl(self, house, house.url("example")).status, 200)
        status, [told] = self.agents()
        self.assertEqual((status, told["ok"], told["state"]), (0, True, "connected"))
        self.assertEqual((told["pid"], told["gateway"]), (agent.pid, house.address))
        [tunnel] = told["tunnels"]
        self.assertEqual((tunnel["name"], tunnel["backend"], tunnel["reachable"]), ("example", site, True))
        self.assertIn(house.url("example", ""), tunnel["urls"])
        self.assertEqual((told["streams"], told["streamsTotal"], told["reconnects"]), (0, 3, 0))
        self.assertGreater(told["received"], 100)
        self.assertGreater(told["sent"], 100)
        self.assertLess(told["roundTrip"], 5)
        [name] = self.sockets()
        socket = self.folder / "state" / "agents" / name
        self.assertEqual(stat.S_IMODE(socket.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(socket.parent.stat().st_mode), 0o700)
        status, said = self.status()
        self.assertEqual(status, 0)
        self.assertIn(f"agent {agent.pid} at {house.address}: connected for ", said)
        self.assertNotIn((house.state / "token").read_text().strip(), said)

    def test_several(self) -> None:
        """All agents are listed; one that has stopped is not, and one that was killed leaves nothing that stays."""
        site = nginx(self)
        house = self.gateway()
        one = self.agent(house, "-n", "one", site)
        two = self.started(
            (sys.executable, "-m", "diglett", "-g", house.address, "-n", "two", site),
            {"DIGLETT_STATE": str(house.state)},
        )
        self.addCleanup(two.kill)
        three = self.agent(house, "-n", "three", site)
        for agent in (one, two, three):
            agent.waitFor("^https://")
        self.assertEqual({told["pid"] for told in self.agents()[1]}, {one.pid, two.pid, three.pid})
        two.kill()
        self.assertEqual(three.stop(), 0)
        self.assertEqual(len(self.sockets()), 2)
        status, [told] = self.agents()
        self.assertEqual((status, told["pid"]), (0, one.pid))
        self.assertEqual(len(self.sockets()), 1)

    def test_longPath(self) -> None:
        """A state folder that is too deep for the path of a socket will do."""
        state = "state/" + "deep-" * 30
        (self.folder / state).mkdir(parents=True)
        (self.folder / state).chmod(0o700)
        house = self.gateway()
        (self.folder / state / "ca.pem").write_bytes(house.ca.read_bytes())
        (self.folder / state / "token").write_bytes((house.state / "token").read_bytes())
        self.agent(house, "-n", "example", nginx(self), state=state).waitFor("^https://")
        status, _ = self.status("--state", str(self.folder / state))
        self.assertEqual(status, 0)


class TroubleTests(StatusTestCase):
    """It is never said that all is well when it is not."""

    def test_backendDown(self) -> None:
        """A backend that is gone shows, though the link is well."""
        house = self.gateway()
        self.agent(house, "-n", "example", f"localhost:{freePort()}").waitFor("^https://")
        status, [told] = self.agents()
        self.assertEqual((status, told["ok"], told["state"]), (1, False, "connected"))
        self.assertEqual(told["tunnels"][0]["reason"], "connection refused")
        status, said = self.status()
        self.assertEqual(status, 1)
        self.assertIn("BACKEND DOWN: connection refused", said)

    def test_gatewayDown(self) -> None:
        """A gateway that is gone shows, with the reason and when it was lost; so does its return."""
        ports = tuple(f"tcp:{freePort()}:interface=127.0.0.1" for _ in range(3))
        house = self.gateway(ports=ports)
        agent = self.agent(house, "-n", "example", nginx(self))
        agent.waitFor("^https://")
        house.program.stop()
        agent.waitFor("trying again")
        status, [told] = self.agents()
        self.assertEqual((status, told["state"], told["connected"]), (1, "connecting", None))
        self.assertIn("connection refused", told["trouble"])
        self.assertEqual(told["lastCode"], "draining")
        self.assertIn("NOT CONNECTED", self.status()[1])
        self.gateway(ports=ports)
        agent.waitFor("connected again")
        status, [told] = self.agents()
        self.assertEqual((status, told["state"], told["reconnects"], told["trouble"]), (0, "connected", 1, ""))

    def test_gatewaySilent(self) -> None:
        """A gateway that has stopped answering shows long before the link is given up."""
        house = self.gateway()
        self.agent(house, "-n", "example", nginx(self)).waitFor("^https://")
        os.kill(house.program.pid, signal.SIGSTOP)
        try:
            status, [told] = self.agents()
            self.assertEqual((status, told["state"]), (1, "silent"))
        finally:
            os.kill(house.program.pid, signal.SIGCONT)
        self.until("it is well again", lambda: self.agents()[0] == 0)

    def test_agentStopped(self) -> None:
        """An agent that does not answer is listed as such."""
        house = self.gateway()
        agent = self.agent(house, "-n", "example", nginx(self))
        agent.waitFor("^https://")
        os.kill(agent.pid, signal.SIGSTOP)
        try:
            status, [told] = self.agents()
        finally:
            os.kill(agent.pid, signal.SIGCONT)
        self.assertEqual((status, told["state"], told["pid"]), (1, "not-answering", agent.pid))
