"""The real nginx for tests, with the configurations `docs/ingress.md` shows."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tests.integration.registrar.documented import documented

_TEMPORARY = """
  client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
  uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;"""


def nginxOf(name: str, folder: object, https: int, sni: int, places: Mapping[str, object]) -> str:
    """A configuration that keeps to a folder and the ports."""
    module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"
    return documented(
        name,
        {
            module: module if os.path.exists(module.split()[1].rstrip(";")) else "",
            "worker_processes 2;": "worker_processes 1; daemon off;" + ("user root;" if os.geteuid() == 0 else ""),
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx": folder,
            "access_log off;": "access_log off;" + _TEMPORARY.format(folder),
            "/etc/nginx": folder,
            "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
            "listen 8443;": f"listen 127.0.0.1:{sni};",
            **places,
        },
    )
