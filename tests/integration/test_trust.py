"""Whom the agent believes, and where it may knock."""

from __future__ import annotations

from pathlib import Path

import trustme

from tests.integration.components import freePort
from tests.integration.harness import Program
from tests.integration.services import nginx
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import curl

OTHER_PIN = "sha256:" + "A" * 43 + "="


class StrangerTests(TunnelTestCase):
    """An agent of another user (who has a token) and a gateway with the keys of its own local authority."""

    def setUp(self) -> None:
        """Start the gateway."""
        super().setUp()
        self.house = self.gateway()
        self.token = (self.house.state / "token").read_text().strip()

    def stranger(self, *words: str | Path) -> Program:
        """Start the agent, which finds nothing of the gateway's in its own state folder."""
        return self.agent(self.house, *words, "-n", "example", "9", state="elsewhere", DIGLETT_TOKEN=self.token)

    def refused(self, *words: str | Path) -> str:
        """What the agent says when it stops for good."""
        agent = self.stranger(*words)
        self.assertEqual((agent.ended(), agent.out), (3, ""))
        self.assertNotIn(self.token, agent.err)
        self.house.program.waitFor("TLS failed")
        return agent.err

    def test_unknown(self) -> None:
        """Knowing nothing it stops, shows the fingerprint it saw, and says what to do."""
        said = self.refused()
        self.assertIn("unknown authority", said)
        self.assertIn(f"--pin {self.house.fingerprint}", said)
        self.assertIn("--ca FILE", said)

    def test_pin(self) -> None:
        """With the fingerprint that the gateway printed it connects."""
        self.stranger("--pin", self.house.fingerprint).waitFor("^https://")

    def test_wrongPin(self) -> None:
        """With another it does not, even if it would believe the authority, and shows the one it saw."""
        self.assertIn(self.house.fingerprint, self.refused("--pin", OTHER_PIN, "--ca", self.house.ca))

    def test_ca(self) -> None:
        """With the gateway's authority it connects."""
        self.stranger("--ca", self.house.ca).waitFor("^https://")

    def test_wrongCa(self) -> None:
        """With another authority it does not."""
        other = self.folder / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        self.assertIn("unknown authority", self.refused("--ca", other))

    def test_noFile(self) -> None:
        """An authority that cannot be read is a mistake in the command line."""
        agent = self.stranger("--ca", self.folder / "missing.pem")
        self.assertEqual(agent.ended(), 2)
        self.assertIn("missing.pem", agent.err)

    def test_otherKeys(self) -> None:
        """When another gateway answers at the place of the one that an agent knows, the agent stops."""
        ports = tuple(f"tcp:{freePort()}:interface=127.0.0.1" for _ in range(3))
        house = self.gateway(ports=ports, state="known")
        token = (house.state / "token").read_text().strip()
        words = ("--pin", house.fingerprint, "-n", "example", "9")
        agent = self.agent(house, *words, state="elsewhere", DIGLETT_TOKEN=token)
        agent.waitFor("^https://")
        house.program.stop()
        self.gateway(ports=ports, state="other")
        self.assertEqual(agent.ended(), 3)
        self.assertIn("is not trusted", agent.err)


class CertificateTests(TunnelTestCase):
    """A gateway with certificates from an authority."""

    def certified(self, *names: str) -> Gateway:
        """Start a gateway with a certificate for these names."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "authority.pem"))
        leaf = authority.issue_cert(*names)
        leaf.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        with open(self.folder / "chain.pem", "wb") as chain:
            chain.writelines(part.bytes() for part in leaf.cert_chain_pems)
        options = ("--certificate", self.folder / "chain.pem", "--private-key", self.folder / "key.pem")
        return self.gateway(*options, domain="gateway.test")

    def test_served(self) -> None:
        """Agents and visitors who trust the authority are content, and there is no local one."""
        gateway = self.certified("localhost", "gateway.test", "*.gateway.test")
        self.assertFalse(gateway.ca.exists())
        authority = self.folder / "authority.pem"
        agent = self.agent(gateway, "--ca", authority, "-n", "example", nginx(self))
        agent.waitFor(rf"^https://example\.gateway\.test:{gateway.https} -> ")
        page = curl(
            self, gateway, gateway.url("example"), "--cacert", authority, "--resolve", f"*:{gateway.https}:127.0.0.1"
        )
        self.assertEqual(page.status, 200)

    def test_system(self) -> None:
        """Without --ca the authorities of the system count."""
        gateway = self.certified("localhost", "gateway.test")
        agent = self.agent(gateway, "-n", "example", "9", SSL_CERT_FILE=str(self.folder / "authority.pem"))
        agent.waitFor("^https://")

    def test_otherName(self) -> None:
        """A certificate for another name is none."""
        gateway = self.certified("gateway.test")
        agent = self.agent(gateway, "--ca", self.folder / "authority.pem", "-n", "example", "9")
        self.assertEqual(agent.ended(), 3)
        self.assertIn("gateway.test", agent.err)


class DoorTests(TunnelTestCase):
    """Where agents come in."""

    def test_https(self) -> None:
        """The HTTPS port takes agents as well, beside the visitors: one open port is enough."""
        gateway = self.gateway()
        agent = self.agent(None, "-g", f"localhost:{gateway.https}", "-n", "example", nginx(self))
        agent.waitFor("^https://")
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)

    def test_noGateway(self) -> None:
        """Something else that speaks TLS, or does not, is no gateway; the agent keeps trying and says why."""
        gateway = self.gateway()
        agent = self.agent(None, "-g", f"localhost:{gateway.http}", "-n", "example", "9")
        agent.waitFor(r"^diglett: TLS with localhost:\d+ failed: .*; trying again$")
        self.assertEqual(agent.stop(), 0)
