"""Tests of the gateway's options under twistd."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType
from unittest import mock

from twisted.application.service import IServiceMaker, Service
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett import __version__
from diglett.config.gateway import SETTINGS, GatewayConfig
from diglett.errors import DiglettError, UsageError
from diglett.tap import Options, makeService


def parse(line: str) -> GatewayConfig:
    """Read a command line of simple words."""
    options = Options()
    options.parseOptions(line.split())
    return options.config


class OptionsTests(SynchronousTestCase):
    """What a command line means."""

    def refused(self, line: str) -> str:
        """Give the one line that a wrong command line is answered with."""
        err = io.StringIO()
        with redirect_stderr(err):
            stop = self.assertRaises(SystemExit, parse, line)
        self.assertEqual((stop.code, err.getvalue().count("\n")), (2, 1), line)
        return err.getvalue()

    def test_nothing(self) -> None:
        """No option at all is a gateway on localhost."""
        self.assertEqual(parse(""), GatewayConfig())

    def test_contract(self) -> None:
        """The documented command means what it says."""
        config = parse("--domain gateway.com --certificate fullchain.pem --private-key key.pem")
        self.assertEqual(
            config,
            GatewayConfig(domain="gateway.com", certificates=(("fullchain.pem", "key.pem"),)),
        )

    def test_repeated(self) -> None:
        """Options that can be repeated keep their order."""
        config = parse(
            "--certificate a --certificate b --private-key c --private-key d "
            "--register print --register unix:/run/x --trusted-proxy ::1 --trusted-proxy 10.0.0.0/8 "
            "--reserved a,b --reserved c"
        )
        self.assertEqual(config.certificates, (("a", "c"), ("b", "d")))
        self.assertEqual(config.register, ("print", "unix:/run/x"))
        self.assertEqual([str(net) for net in config.trustedProxies], ["::1/128", "10.0.0.0/8"])
        self.assertEqual(config.reserved, {"a", "b", "c"})

    def test_rest(self) -> None:
        """Every other option arrives, `none` turning an endpoint off."""
        self.assertEqual(
            parse(
                "--listen tcp:1 --https none --http 80 --state /s --auth open --bind ::1 --allow-v1 "
                "--admin tcp:2:interface=127.0.0.1"
            ),
            GatewayConfig(
                listen="tcp:1",
                https=None,
                http="tcp:80",
                state="/s",
                auth="open",
                bind="::1",
                allowV1=True,
                admin="tcp:2:interface=127.0.0.1",
            ),
        )

    def test_file(self) -> None:
        """A file has the same settings, and the command line wins."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write('domain = "file.test"\nallow-v1 = true\nbind = "::1"\n')
        config = parse(f"--config {path} --domain option.test")
        self.assertEqual((config.domain, config.allowV1, config.bind), ("option.test", True, "::1"))

    def test_sameNamesAsFile(self) -> None:
        """Whatever the file may hold is an option under the same name, and the other way round."""
        names = {name.rstrip("=") for name in Options().longOpt}
        self.assertEqual(names - {"help", "version", "config"}, set(SETTINGS))

    def test_refused(self) -> None:
        """A mistake is one line on stderr and status 2."""
        for line, reason in {
            "--certficate x": "did you mean 'certificate'?",
            "--nonsense": "--help shows all options",
            "--domain": "requires argument",
            "word": "'word' is no option",
            "--https nonsense": "https: 'nonsense' is no server endpoint",
            "--http tcp:x": "http: 'tcp:x' is no server endpoint",
            "--admin tcp": "admin: 'tcp' is no server endpoint",
            "--listen none": "listen cannot be none",
            "--config no-such-file": "cannot read the configuration",
        }.items():
            self.assertIn(reason, self.refused(line))

    def test_version(self) -> None:
        """`--version` is diglett's own, not Twisted's."""
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertEqual(self.assertRaises(SystemExit, parse, "--version").code, 0)
        self.assertEqual(out.getvalue(), f"diglett-server {__version__}\n")


class ServiceTests(SynchronousTestCase):
    """How twistd gets the service."""

    def test_plugin(self) -> None:
        """What twistd finds is a service maker that leads here."""
        from twisted.plugins.diglett_plugin import diglettServer

        verifyObject(IServiceMaker, diglettServer)
        verifyObject(IPlugin, diglettServer)
        self.assertEqual(diglettServer.tapname, "diglett-server")
        self.assertIs(diglettServer.options, Options)

    def make(self, outcome: object) -> object:
        """Make the service where the gateway gives, or raises, `outcome`."""

        def makeGateway(config: GatewayConfig, admin: object = None) -> object:
            self.assertEqual(config, GatewayConfig())
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        module = ModuleType("diglett.gateway.service")
        module.makeGateway = makeGateway  # type: ignore[attr-defined]
        options = Options()
        options.parseOptions([])
        with mock.patch.dict(sys.modules, {module.__name__: module}):
            return makeService(options)

    def test_service(self) -> None:
        """The service is the gateway that the configuration describes."""
        service = Service()
        self.assertIs(self.make(service), service)

    def test_unusable(self) -> None:
        """What the gateway cannot use ends the process with one line and a status that tells."""
        for error, status in ((UsageError("no such file"), 2), (DiglettError("no way"), 1)):
            err = io.StringIO()
            with redirect_stderr(err):
                stop = self.assertRaises(SystemExit, self.make, error)
            self.assertEqual((stop.code, err.getvalue()), (status, f"diglett-server: {error}\n"))
