"""nginx: the HTTP backend of every contender, and what HTTPS costs without a tunnel."""

from __future__ import annotations

import os

from benchmarks.processes import Process
from benchmarks.site import Site
from benchmarks.tools import find

_FRAME = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr warn;
{user}
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
{inside}
}}
"""
_BODY = "0123456789" * 10


def startNginx(site: Site, role: str, name: str, inside: str) -> Process:
    """Start nginx with the contents of an http block; the process."""
    certificates = site.lab.certificates
    folder = site.folder / name
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        _FRAME.format(
            # Workers must read a folder that is ours alone.
            user="user root;" if os.geteuid() == 0 else "",
            certificate=certificates.certificate,
            key=certificates.key,
            inside=inside,
        )
    )
    return site.start(role, name, [find("nginx"), "-p", f"{folder}/", "-c", "nginx.conf"])


def startWeb(site: Site) -> tuple[int, int]:
    """Start the HTTP backend; its port, and the port of the same over TLS."""
    host = site.place.agent
    plain, secure = host.freePort(), host.freePort()
    inside = f"""
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{secure} ssl;
        location / {{ return 200 "{_BODY}"; }}
    }}"""
    process = startNginx(site, "backend", "nginx", inside)
    site.awaitAnswer(process, plain, "localhost")
    return plain, secure
