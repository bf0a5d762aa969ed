"""Which public fronts there are, and what their URLs look like."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from diglett.config.gateway import GatewayConfig
from diglett.gateway.fronts import Fronts, frontContexts, trustedPeers
from diglett.testing import MemoryPlane, memoryCredentials
from diglett.trust.contexts import DIGLETT, HTTP, protocolOf
from tests.trust.shaking import anyClient, shake


class Listener:
    """Something that listens at an address."""

    def __init__(self, address: Any) -> None:
        self._address = address

    def address(self) -> Any:
        return self._address


class UrlTests(SynchronousTestCase):
    """What people are told."""

    def fronts(self, **ports: Any) -> Fronts:
        """Fronts that listen at these."""
        contexts: Any = None
        fronts = Fronts(MemoryPlane(), GatewayConfig(domain="gateway.com"), contexts)
        for option, address in ports.items():
            fronts.listening(option, Listener(address))  # type: ignore[arg-type]
        return fronts

    def test_order(self) -> None:
        """https comes first, standard ports are not written, others are."""
        self.assertEqual(
            self.fronts(https=("::", 8_443, 0, 0), http=("0.0.0.0", 80)).urls("a.gateway.com", "http"),
            ("https://a.gateway.com:8443", "http://a.gateway.com"),
        )
        self.assertEqual(self.fronts(https=("::", 443)).urls("a.gateway.com", "http"), ("https://a.gateway.com",))

    def test_kinds(self) -> None:
        """What passes TLS through is at https only, and what is tcp at no front at all."""
        fronts = self.fronts(https=("::", 443), http=("::", 80))
        self.assertEqual(fronts.urls("a.gateway.com", "tls"), ("https://a.gateway.com",))
        self.assertEqual(fronts.urls("a.gateway.com", "tcp"), ())

    def test_unixSocket(self) -> None:
        """A front behind somebody's proxy, on a Unix socket, is at the standard port as far as anybody knows."""
        self.assertEqual(self.fronts(https="/run/front").urls("a.gateway.com", "http"), ("https://a.gateway.com",))

    def test_none(self) -> None:
        """Without fronts there are no URLs, no visitors, and nothing to close."""
        fronts = self.fronts()
        self.assertEqual((fronts.urls("a.gateway.com", "http"), list(fronts.describe()), fronts.visitors), ((), [], 0))
        fronts.close()

    def test_doors(self) -> None:
        """Only what is configured is listened for."""
        registry: Any = None
        for config, options in (
            (GatewayConfig(), ["https", "http"]),
            (GatewayConfig(https=None), ["http"]),
            (GatewayConfig(https=None, http=None), []),
        ):
            fronts = Fronts(MemoryPlane(), config, registry)
            self.assertEqual([option for _, option, _ in fronts.start(registry, registry)], options)


class TrustedPeersTests(SynchronousTestCase):
    """Who is one of the operator's proxies."""

    def test_networks(self) -> None:
        """Addresses are trusted by network, IPv4 in IPv6's clothes as IPv4, and what is no address never."""
        trusts = trustedPeers(tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "::1/128", "fe80::/10"))))
        for address in ("10.1.2.3", "::ffff:10.1.2.3", "::1", "fe80::1%eth0"):
            self.assertTrue(trusts(address), address)
        for address in ("11.0.0.1", "::2", "", "localhost", "10.0.0.0/8", "10.1.2.3.evil.org", "::ffff:11.0.0.1"):
            self.assertFalse(trusts(address), address)

    def test_nobody(self) -> None:
        """Without any, nobody is trusted, not even this machine."""
        self.assertFalse(trustedPeers(())("127.0.0.1"))


class ContextsTests(SynchronousTestCase):
    """TLS of the HTTPS front."""

    def test_protocols(self) -> None:
        """Browsers get HTTP/1.1, agents their own protocol; only those are asked for a client certificate."""
        authorities = Path(self.mktemp())
        authorities.write_bytes(memoryCredentials().leaf.public_bytes(Encoding.PEM))
        contexts = frontContexts(GatewayConfig(), [memoryCredentials()], None, authorities)
        for offered, agreed in (([b"h2", HTTP], HTTP), ([DIGLETT], DIGLETT), ([b"h2"], None), (None, None)):
            server, client = contexts.connection(), anyClient("a.localhost", offered)
            self.assertTrue(shake(client, server).good)
            self.assertEqual(protocolOf(server), agreed)
            self.assertEqual(bool(client.get_client_ca_list()), agreed == DIGLETT)
