"""The real Traefik for tests, with the configuration `docs/ingress.md` shows."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.components import Running, freePort
from tests.integration.registrar.support import RegistrarTestCase

STATIC = """\
global: {checkNewVersion: false, sendAnonymousUsage: false}
log: {level: WARN}
ping: {entryPoint: internal}
entryPoints:
  websecure:
    address: "127.0.0.1:%(https)d"
    http: {tls: {}}
    transport: {respondingTimeouts: {readTimeout: 0}}
  internal: {address: "127.0.0.1:%(internal)d"}
providers:
  providersThrottleDuration: %(throttle)s
  file: {directory: %(folder)s/dynamic, watch: true}
"""

DYNAMIC = {
    "tls": {"stores": {"default": {"defaultCertificate": {"certFile": "wild.pem", "keyFile": "wild.key"}}}},
    "http": {"routers": {"api": {"rule": "PathPrefix(`/api`)", "entryPoints": ["internal"], "service": "api@internal"}}},
}


class TraefikTestCase(RegistrarTestCase):
    """Traefik on free ports; `provider` is added to its static configuration."""

    async def traefik(self, provider: str = "", throttle: str = "20ms") -> Running:
        """Start it, and wait until it answers."""
        if not hasattr(self, "https"):
            self.https, self.internal = freePort(), freePort()
        values: dict[str, Any] = {"https": self.https, "internal": self.internal, "folder": self.folder, "throttle": throttle}
        static = self.write("traefik.yml", STATIC % values + provider)
        dynamic = json.loads(json.dumps(DYNAMIC).replace("wild.", f"{self.folder}/wild."))
        self.write("dynamic/00-tls.yml", json.dumps(dynamic))
        running = self.spawn("traefik", f"--configFile={static}")
        await self.listening(self.internal, running)

        async def ready() -> bool:
            return (await self.fetch(f"http://127.0.0.1:{self.internal}/ping"))[0] == 200

        await self.until("Traefik is ready", ready)
        return running

    @property
    def probe(self) -> str:
        """Where Traefik's front door is."""
        return f"https://127.0.0.1:{self.https}"
