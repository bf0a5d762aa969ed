"""The real Caddy for tests, with the configurations `docs/ingress.md` shows."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tests.integration.components import Running, freePort
from tests.integration.registrar.documented import documented
from tests.integration.registrar.support import RegistrarTestCase


class CaddyTestCase(RegistrarTestCase):
    """Caddy on free ports."""

    def setUp(self) -> None:
        super().setUp()
        self.https, self.http = freePort(), freePort()
        self.probe = f"https://127.0.0.1:{self.https}"
        # The path of a socket is short, and that of a test is not.
        self.short = f"/tmp/diglett-test-{os.getpid()}-{self.https}"
        os.symlink(self.folder, self.short)
        self.addCleanup(os.unlink, self.short)

    async def caddyWithSockets(self) -> Running:
        """The static configuration, one socket per name."""
        places = {
            "persist_config off\n": f"persist_config off\n\thttp_port {self.http}\n",
            "*.gateway.com:443 {\n": f"*.gateway.test:{self.https} {{\n\tbind 127.0.0.1\n",
            "/etc/caddy": self.short,
            "/var/lib/caddy": f"{self.short}/data",
            "/run/diglett": f"{self.short}/socks",
        }
        file = self.write("Caddyfile", documented("Caddyfile", places))
        return await self._caddy("--config", str(file), "--adapter", "caddyfile")

    async def caddyWithAdmin(self, more: Mapping[str, str] | None = None) -> Running:
        """The admin API."""
        places = {
            **(more or {}),
            '"servers"': f'"http_port": {self.http}, "https_port": {self.https}, "servers"',
            '":443"': f'"127.0.0.1:{self.https}"',
            "/run/caddy": self.short,
            "/etc/caddy": self.short,
            "/var/lib/caddy": f"{self.short}/data",
        }
        return await self._caddy("--config", str(self.write("caddy.json", documented("caddy.json", places))))

    async def _caddy(self, *arguments: str) -> Running:
        running = self.spawn("caddy", "run", *arguments)
        await self.listening(self.https, running)
        return running
