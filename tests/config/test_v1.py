"""What an agent is told about version 1 of the protocol, and what it must not ask of it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.config.agent import agentConfig
from diglett.config.v1 import V1_WARNING
from diglett.errors import UsageError

BACKEND = [{"backend": "9000"}]


class V1ConfigTests(SynchronousTestCase):
    """`--protocol v1`."""

    def refused(self, pattern: str, tunnels: list[dict[str, Any]] = BACKEND, **more: Any) -> None:
        """See that this is a mistake, in words that name it."""
        given = {"gateway": "g", "protocol": "v1", **more}
        self.assertRegex(str(self.assertRaises(UsageError, agentConfig, given, tunnels, {})), pattern)
        agentConfig({**given, "protocol": "tls"}, tunnels, {})

    def test_warning(self) -> None:
        """Who uses it is warned in one sentence, beside any other warning; nobody else is."""
        config = agentConfig({"gateway": "g", "protocol": "v1"}, BACKEND, {})
        self.assertEqual((config.protocol, config.warnings), ("v1", (V1_WARNING,)))
        self.assertNotIn(". ", V1_WARNING)
        more = agentConfig({"gateway": "g", "protocol": "v1", "token": "s3cret"}, BACKEND, {})
        self.assertEqual((len(more.warnings), more.warnings[-1]), (2, V1_WARNING))
        self.assertEqual(agentConfig({"gateway": "g"}, BACKEND, {}).warnings, ())

    def test_trust(self) -> None:
        """Trust that was asked for is never left out in silence."""
        self.refused("ca is of no use", ca="ca.pem")
        self.refused("pin is of no use", pin=("sha256:AAAA",))
        self.refused("certificate is of no use", certificate="client.pem")

    def test_oneName(self) -> None:
        """There is room for one tunnel."""
        self.refused("one name, not 2", [{"backend": "1"}, {"backend": "2"}])

    def test_noTypes(self) -> None:
        """It can ask neither for a type nor for a share."""
        self.refused("no type", [{"backend": "1", "type": "tcp"}])
        self.refused("no share", [{"backend": "1", "share": True}])
