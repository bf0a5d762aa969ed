"""The real Caddy for tests, with the configurations `docs/ingress.md` shows."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.integration.components import Running, freePort
from tests.integration.registrar.support import RegistrarTestCase

SOCKETS = """\
{
	admin off
	persist_config off
	auto_https off
	skip_install_trust
	storage file_system %(folder)s/data
	http_port %(http)d
	servers {
		protocols h1 h2
	}
}
https://*.gateway.test:%(https)d {
	bind 127.0.0.1
	tls %(folder)s/wild.pem %(folder)s/wild.key
	reverse_proxy unix/%(folder)s/socks/{http.request.host.labels.2}.sock {
		flush_interval -1
	}
	handle_errors {
		respond "no such tunnel" 404
	}
}
"""


def configuration(folder: Any, https: int, http: int) -> dict[str, Any]:
    """With the admin API at a socket, and a fallback for names that are not there."""
    fallback = {"handle": [{"handler": "static_response", "status_code": 404, "body": "no such tunnel\n"}]}
    return {
        "admin": {"listen": f"unix/{folder}/admin.sock|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": f"{folder}/data"},
        "apps": {
            "http": {
                "http_port": http,
                "https_port": https,
                "servers": {
                    "front": {
                        "listen": [f"127.0.0.1:{https}"],
                        "protocols": ["h1", "h2"],
                        "automatic_https": {"disable": True},
                        "routes": [fallback],
                        "tls_connection_policies": [{}],
                    }
                },
            },
            "tls": {
                "certificates": {"load_files": [{"certificate": f"{folder}/wild.pem", "key": f"{folder}/wild.key"}]}
            },
        },
    }


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
        text = SOCKETS % {"folder": self.short, "https": self.https, "http": self.http}
        return await self._caddy("--config", str(self.write("Caddyfile", text)), "--adapter", "caddyfile")

    async def caddyWithAdmin(self) -> Running:
        """The admin API."""
        document = configuration(self.short, self.https, self.http)
        return await self._caddy("--config", str(self.write("caddy.json", json.dumps(document))))

    async def _caddy(self, *arguments: str) -> Running:
        running = self.spawn("caddy", "run", *arguments)
        await self.listening(self.https, running)
        return running
