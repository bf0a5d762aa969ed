"""The real Traefik for tests, with the configuration `docs/ingress.md` shows."""

from __future__ import annotations

from tests.integration.components import Running, freePort
from tests.integration.registrar.documented import documented
from tests.integration.registrar.support import RegistrarTestCase


class TraefikTestCase(RegistrarTestCase):
    """Traefik on free ports; `provider` is added to its static configuration."""

    async def traefik(self, provider: str = "") -> Running:
        """Start it, and wait until it answers."""
        if not hasattr(self, "https"):
            self.https, self.internal = freePort(), freePort()
        places = {
            '":443"': f'"127.0.0.1:{self.https}"',
            "127.0.0.1:8081": f"127.0.0.1:{self.internal}",
            "/etc/traefik": self.folder,
        }
        static = self.write("traefik.yml", documented("traefik.yml", places) + provider)
        self.write("dynamic/00-tls.yml", documented("tls.yml", {"/etc/traefik": self.folder}))
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
