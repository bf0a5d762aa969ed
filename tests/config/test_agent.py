"""Tests of how the agent's settings are put together."""

from __future__ import annotations

import os
from typing import Any

from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from diglett.config.address import Address
from diglett.config.agent import AgentConfig, agentConfig
from diglett.errors import UsageError

BACKEND = [{"backend": "9000"}]


class AgentConfigTests(SynchronousTestCase):
    """Command line, environment and file together."""

    def file(self, content: str) -> str:
        """Write a configuration file and give its path."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write(content)
        os.chmod(path, 0o600)
        return path

    def refused(self, reason: str, *arguments: Any) -> None:
        """Check that these settings are refused for this reason."""
        error = self.assertRaises(UsageError, agentConfig, *arguments)
        self.assertIn(reason, str(error))

    def test_least(self) -> None:
        """A gateway and a backend are enough; the rest is safe."""
        config = agentConfig({"gateway": "gateway.com"}, BACKEND, {})
        self.assertEqual(config.gateway, Address("gateway.com", 20000))
        self.assertEqual(config, AgentConfig(config.gateway, config.tunnels))
        self.assertEqual(
            (config.protocol, config.once, config.backendInsecure, config.logFormat),
            ("tls", False, False, "text"),
        )
        self.assertIsNone(config.token.read())

    def test_frozen(self) -> None:
        """Nobody changes a configuration."""
        config = agentConfig({"gateway": "g"}, BACKEND, {})
        self.assertRaises(FrozenInstanceError, setattr, config, "protocol", "v1")

    def test_file(self) -> None:
        """Everything can stand in the file."""
        path = self.file(
            """
            gateway = "gateway.com:443"
            token = "s3cret"
            ca = "ca.pem"
            pin = ["sha256:one", "sha256:two"]
            protocol = "tls"
            once = true
            log-format = "json"
            debug = 1
            backend-insecure = true
            state = "/var/lib/diglett"
            [[tunnel]]
            name = "shop"
            backend = "https://intra:8443"
            share = true
            [[tunnel]]
            name = "mail"
            backend = "localhost:25"
            type = "tcp"
            """
        )
        config = agentConfig({"config": path}, [], {})
        self.assertEqual(str(config.gateway), "gateway.com:443")
        self.assertEqual(config.token.read(), "s3cret")
        self.assertNotIn("s3cret", repr(config))
        self.assertEqual(config.ca, os.path.join(os.path.dirname(path), "ca.pem"))
        self.assertEqual(config.pins, ("sha256:one", "sha256:two"))
        self.assertEqual((config.protocol, config.logFormat, config.debug), ("tls", "json", 1))
        self.assertTrue(config.once and config.backendInsecure)
        self.assertEqual(config.state, "/var/lib/diglett")
        self.assertEqual(
            [(t.name, str(t.backend), t.type, t.share) for t in config.tunnels],
            [("shop", "https://intra:8443", "http", True), ("mail", "localhost:25", "tcp", False)],
        )
        self.assertEqual(config.warnings, ())

    def test_order(self) -> None:
        """The command line wins over the environment, that over the file."""
        path = self.file('gateway = "file"\nprotocol = "v1"\n[[tunnel]]\nbackend = "1"\n')
        environ = {"DIGLETT_GATEWAY": "environment:1"}
        config = agentConfig({"config": path, "protocol": "tls"}, [], environ)
        self.assertEqual(str(config.gateway), "environment:1")
        self.assertEqual((config.protocol, len(config.tunnels)), ("tls", 1))
        config = agentConfig({"config": path, "gateway": "option"}, BACKEND, environ)
        self.assertEqual(str(config.gateway), "option:20000")
        self.assertEqual([str(t.backend) for t in config.tunnels], ["localhost:9000"])

    def test_folderFromFile(self) -> None:
        """A relative folder in the file is looked for beside the file."""
        path = self.file('gateway = "g"\n[[tunnel]]\nbackend = "./site"\n')
        folder = os.path.join(os.path.dirname(path), "site")
        os.mkdir(folder)
        self.assertEqual(agentConfig({"config": path}, [], {}).tunnels[0].backend.path, folder)

    def test_warnings(self) -> None:
        """What people should know is in the configuration, for the command to print."""
        config = agentConfig({"gateway": "g", "token": "s3cret"}, BACKEND, {})
        self.assertEqual(len(config.warnings), 1)
        self.assertNotIn("s3cret", repr(config))

    def test_missing(self) -> None:
        """What is missing is asked for with the ways to give it."""
        self.refused("DIGLETT_GATEWAY", {}, BACKEND, {})
        self.refused("no BACKEND", {"gateway": "g"}, [], {})
        self.refused("no BACKEND", {"config": self.file('gateway = "g"')}, [], {})

    def test_refused(self) -> None:
        """A mistake is told wherever it was made."""
        self.refused("without a scheme", {"gateway": "https://gateway.com"}, BACKEND, {})
        self.refused("not a port", {}, BACKEND, {"DIGLETT_GATEWAY": "g:x"})
        for content, reason in {
            'protocol = "ssh"': "protocol must be tls or v1",
            'log-format = "xml"': "log-format must be text or json",
            'gatway = "g"': "did you mean 'gateway'?",
            '[[tunnel]]\nbackend = "1"\n[[tunnel]]\nname = "x"': "[[tunnel]] 2: a tunnel needs",
            '[[tunnel]]\nbackend = "1"\nnam = "x"': "[[tunnel]] 1: there is no setting 'nam'",
            '[[tunnel]]\nbackend = "missing/"': "[[tunnel]] 1: BACKEND",
            '[[tunnel]]\nbackend = "1"\nname = "a.b"': "[[tunnel]] 1: the name",
        }.items():
            tunnels = [] if "tunnel" in content else BACKEND
            self.refused(reason, {"config": self.file(content), "gateway": "g"}, tunnels, {})

    def test_clientCertificate(self) -> None:
        """A client certificate may stand for a token; a key without one is a mistake."""
        config = agentConfig({"gateway": "g", "certificate": "me.pem", "private-key": "me.key"}, BACKEND, {})
        self.assertEqual((config.certificate, config.privateKey), ("me.pem", "me.key"))
        with self.assertRaises(UsageError):
            agentConfig({"gateway": "g", "private-key": "me.key"}, BACKEND, {})
