"""The `print` registrar writes exactly the lines users grep for."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.errors import UsageError
from diglett.interfaces import ILease, IRegistrar, PluginContext, Registration
from diglett.registrar.printer import create


class PrinterTests(SynchronousTestCase):
    """`create` and what it makes."""

    def setUp(self) -> None:
        self.events = []
        log = Logger("test", observer=self.events.append)
        self.context = PluginContext(Clock(), Path(self.mktemp()), "gateway.com", "g1", log)

    def test_lines(self) -> None:
        """A name's coming and going are one line each, as the contract has them."""
        registrar = create("", self.context)
        verifyObject(IRegistrar, registrar)
        lease = registrar.publish(Registration("example", "example.gateway.com", "127.0.0.1", 41234))
        verifyObject(ILease, lease)
        lease.withdraw()
        self.assertEqual(
            [formatEvent(event) for event in self.events],
            ["registered example.gateway.com -> 127.0.0.1:41234", "withdrawn example.gateway.com"],
        )

    def test_ipv6(self) -> None:
        """An IPv6 address is bracketed, so that its port can be told."""
        create("", self.context).publish(Registration("example", "example.gateway.com", "::1", 41234))
        self.assertEqual(formatEvent(self.events[0]), "registered example.gateway.com -> [::1]:41234")

    def test_argument(self) -> None:
        """An argument is an error: there is nothing it could mean."""
        self.assertRaises(UsageError, create, "x", self.context)
