"""Tests of host and port, as people write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.config.address import Address, parseAddress
from diglett.errors import UsageError


class ParseTests(SynchronousTestCase):
    """What is an address and what is not."""

    def test_forms(self) -> None:
        """Names, both kinds of IP address and international names are read; the port has a default."""
        for text, address in {
            "gateway.com": Address("gateway.com", 20000),
            "Gateway.COM:443": Address("gateway.com", 443),
            "localhost:1": Address("localhost", 1),
            "127.0.0.1:65535": Address("127.0.0.1", 65535),
            "[::1]": Address("::1", 20000),
            "[::1]:80": Address("::1", 80),
            "[2001:DB8::0]:80": Address("2001:db8::", 80),
            "[fe80::1%eth0]:80": Address("fe80::1%eth0", 80),
            "my_service:80": Address("my_service", 80),
            "b\u00fccher.example:80": Address("xn--bcher-kva.example", 80),
            "gateway.com.": Address("gateway.com.", 20000),
        }.items():
            self.assertEqual(parseAddress(text, "it", 20000), address)

    def test_refused(self) -> None:
        """Everything else is refused with the reason."""
        for text, reason in {
            "": "no host",
            ":80": "no host",
            "h:": "not a port",
            "h:0": "not a port",
            "h:65536": "not a port",
            "h:-1": "not a port",
            "h:8o": "not a port",
            "h:\u0661": "not a port",
            "h:+80": "not a port",
            "h:000080": "not a port",
            "::1": "brackets",
            "::1:80": "brackets",
            "[::1": "not HOST:PORT",
            "[::1]80": "not HOST:PORT",
            "[::g]:80": "not an IPv6 address",
            "[]:80": "not an IPv6 address",
            "[127.0.0.1]:80": "not an IPv6 address",
            "a b:80": "not a host name",
            "user@host:80": "not a host name",
            "-a:80": "not a host name",
            "a/b:80": "not a host name",
            "a\n:80": "not a host name",
            "\u00e9" * 300 + ":80": "not a host name",
            "\U0001f4a9 x:80": "not a host name",
        }.items():
            error = self.assertRaises(UsageError, parseAddress, text, "the gateway", 1)
            self.assertIn(reason, str(error))
            self.assertIn("the gateway", str(error))

    def test_portNeeded(self) -> None:
        """Without a default the port must be there, and the error says how to write it."""
        error = self.assertRaises(UsageError, parseAddress, "host", "BACKEND")
        self.assertEqual(str(error), "BACKEND 'host' has no port: write host:PORT")

    @given(st.text(max_size=40))
    def test_anything(self, text: str) -> None:
        """Any text is refused as wrong usage, or read so that reading what is shown gives the same."""
        try:
            address = parseAddress(text, "it", 20000)
        except UsageError:
            return
        self.assertEqual(parseAddress(str(address), "it"), address)
