"""Tests of how the gateway's settings are put together."""

from __future__ import annotations

import os
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from diglett.config.gateway import GatewayConfig, gatewayConfig
from diglett.errors import UsageError
from diglett.names import RESERVED


class GatewayConfigTests(SynchronousTestCase):
    """Command line and file together."""

    def file(self, content: str) -> str:
        """Write a configuration file and give its path."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write(content)
        return path

    def test_nothing(self) -> None:
        """Without any setting the defaults are the documented ones, nothing public being open."""
        config = gatewayConfig({})
        self.assertEqual(config, GatewayConfig())
        self.assertEqual(
            (config.listen, config.domain, config.https, config.http, config.admin),
            ("tcp:20000", "localhost", "tcp:8443", "tcp:8080", None),
        )
        self.assertEqual((config.auth, config.register, config.bind), ("tokens", ("print",), "127.0.0.1"))
        self.assertEqual((config.allowV1, config.reserved, config.trustedProxies), (False, RESERVED, ()))

    def test_file(self) -> None:
        """Everything can stand in the file; relative paths start beside it."""
        path = self.file(
            """
            listen = "tcp:443"
            domain = "Gateway.COM."
            https = "none"
            http = "8000"
            certificate = ["a.pem", "/b.pem"]
            private-key = ["a.key", "/b.key"]
            state = "state"
            auth = "tokens:/etc/tokens.toml"
            register = ["print", "unix:/run/diglett"]
            bind = "::1"
            allow-v1 = true
            admin = "tcp:9000:interface=127.0.0.1"
            trusted-proxy = ["10.1.2.3/8", "::1"]
            reserved = ["www, Shop"]
            """
        )
        folder = os.path.dirname(path)
        self.assertEqual(
            gatewayConfig({"config": path}),
            GatewayConfig(
                listen="tcp:443",
                domain="gateway.com",
                https=None,
                http="tcp:8000",
                certificates=(
                    (os.path.join(folder, "a.pem"), os.path.join(folder, "a.key")),
                    ("/b.pem", "/b.key"),
                ),
                state=os.path.join(folder, "state"),
                auth="tokens:/etc/tokens.toml",
                register=("print", "unix:/run/diglett"),
                bind="::1",
                allowV1=True,
                admin="tcp:9000:interface=127.0.0.1",
                trustedProxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
                reserved=frozenset({"www", "shop"}),
                configFile=path,
            ),
        )

    def test_commandLineWins(self) -> None:
        """Each setting of the command line, lists included, takes the place of the file's."""
        path = self.file('domain = "file.test"\nregister = ["print", "a"]\nauth = "open"')
        config = gatewayConfig({"config": path, "domain": "option.test", "register": ("b",)})
        self.assertEqual((config.domain, config.register, config.auth), ("option.test", ("b",), "open"))

    def test_certificateWithItsKey(self) -> None:
        """A certificate of the command line is never paired with a key of the file."""
        path = self.file('certificate = "f.pem"\nprivate-key = "f.key"')
        config = gatewayConfig({"config": path, "certificate": ("c.pem",), "private-key": ("c.key",)})
        self.assertEqual(config.certificates, (("c.pem", "c.key"),))
        error = self.assertRaises(
            UsageError, gatewayConfig, {"config": path, "certificate": ("c.pem",)}
        )
        self.assertIn("there are 1 and 0", str(error))

    def test_reserved(self) -> None:
        """No name at all can be reserved, when somebody says so."""
        self.assertEqual(gatewayConfig({"reserved": ("none",)}).reserved, frozenset())

    def test_refused(self) -> None:
        """What cannot be used is refused with the reason."""
        for key, value, reason in [
            ("listen", "none", "listen cannot be none"),
            ("listen", "", "listen cannot be empty"),
            ("domain", "a_b.com", "is not a domain"),
            ("domain", "", "is not a domain"),
            ("domain", "10.0.0.1", "is an address"),
            ("domain", ".".join(["x" * 60] * 4), "too long"),
            ("auth", "", "auth cannot be empty"),
            ("bind", "gateway.com", "address of this machine"),
            ("trusted-proxy", ("10.0.0.0/33",), "trusted-proxy: "),
            ("reserved", ("a.b",), "without dots"),
            ("private-key", ("x",), "there are 0 and 1"),
        ]:
            error = self.assertRaises(UsageError, gatewayConfig, {key: value})
            self.assertIn(reason, str(error))
