"""Traefik's configuration as we write it: one document, or keys of a store."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.interfaces import Registration
from diglett.registrar.traefik import Routes

HTTP = Registration("a", "a.gateway.com", "127.0.0.1", 41234)
TLS = Registration("b", "b.gateway.com", "::1", 41235, kind="tls", proxyProtocol=True)


class RoutesTests(SynchronousTestCase):
    """`Routes`, as parsed and as written."""

    def test_document(self) -> None:
        """A router and a service for each name, with entry points always; TLS passed through by SNI."""
        document = Routes.parse({"entrypoint": ["web", "websecure"], "certresolver": ["le"]}).document([HTTP, TLS])
        self.assertEqual(
            document["http"]["routers"],
            {
                "a.gateway.com": {
                    "rule": "Host(`a.gateway.com`)",
                    "entryPoints": ["web", "websecure"],
                    "service": "a.gateway.com",
                    "tls": {"certResolver": "le"},
                }
            },
        )
        [service] = document["http"]["services"].values()
        self.assertEqual(service["loadBalancer"]["servers"], [{"url": "http://127.0.0.1:41234"}])
        router = document["tcp"]["routers"]["b.gateway.com"]
        self.assertEqual((router["rule"], router["tls"]), ("HostSNI(`b.gateway.com`)", {"passthrough": True}))
        [service] = document["tcp"]["services"].values()
        self.assertEqual(service["loadBalancer"]["servers"], [{"address": "[::1]:41235"}])
        [transport] = document["tcp"]["serversTransports"].values()
        self.assertEqual(transport, {"proxyProtocol": {"version": 2}})

    def test_nothing(self) -> None:
        """No names are an empty document."""
        self.assertEqual(Routes.parse({}).document([]), {})

    def test_plain(self) -> None:
        """An entry point without TLS has routers without."""
        [router] = Routes.parse({"tls": ["no"]}).document([HTTP])["http"]["routers"].values()
        self.assertNotIn("tls", router)

    def test_keys(self) -> None:
        """The same as texts under the root, lists by number, and an empty object as `true`."""
        keys = Routes.parse({}).keys(HTTP, "traefik")
        self.assertEqual(keys["traefik/http/routers/a.gateway.com/rule"], "Host(`a.gateway.com`)")
        self.assertEqual(keys["traefik/http/routers/a.gateway.com/entryPoints/0"], "websecure")
        self.assertEqual(keys["traefik/http/routers/a.gateway.com/tls"], "true")
        balancer = "traefik/http/services/a.gateway.com/loadBalancer"
        self.assertEqual(keys[f"{balancer}/servers/0/url"], "http://127.0.0.1:41234")
        self.assertEqual(keys[f"{balancer}/passHostHeader"], "true")

    def test_bad(self) -> None:
        """Options must make sense."""
        for options in ({"tls": ["maybe"]}, {"tls": ["yes", "no"]}, {"certresolver": ["a", "b"]}):
            self.assertRaises(UsageError, Routes.parse, options)
