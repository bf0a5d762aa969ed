"""Backends that we did not write: nginx, Python's web servers, a WebSocket server, sshd."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from tests.integration.components import find, freePort
from tests.integration.harness import ProcessTestCase, Program

PROGRAMS = Path(__file__).parent / "programs"

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/temp-body;
  proxy_temp_path {folder}/temp-proxy;
  fastcgi_temp_path {folder}/temp-fastcgi;
  uwsgi_temp_path {folder}/temp-uwsgi;
  scgi_temp_path {folder}/temp-scgi;
  client_max_body_size 0;
  default_type text/plain;
  server {{
    listen {listen}{tls};
    {more}
    root {folder}/www;
    location /said {{ return 200 "$scheme $http_host $http_x_forwarded_proto $http_x_forwarded_for\\n"; }}
    location /put {{ dav_methods PUT; }}
  }}
}}
"""


def nginx(
    test: ProcessTestCase,
    listen: str = "",
    more: str = "",
    files: dict[str, bytes] | None = None,
    folder: str = "nginx",
) -> str:
    """Start nginx with these files, and PUT under /put/; where it listens, as a backend is written."""
    house = test.folder / folder
    (house / "www" / "put").mkdir(parents=True)
    for name, content in (files or {"index.html": b"hello from nginx\n"}).items():
        (house / "www" / name).write_bytes(content)
    address = listen or f"127.0.0.1:{freePort()}"
    configuration = house / "nginx.conf"
    tls = " ssl" if "ssl_" in more else ""
    configuration.write_text(NGINX.format(folder=house, listen=address, tls=tls, more=more))
    program = test.launch(find("nginx"), "-e", "stderr", "-p", house, "-c", configuration)
    test.until("nginx listens", lambda: _listens(test, program, address))
    return address


def _listens(test: ProcessTestCase, program: Program, address: str) -> bool:
    test.assertTrue(program.running, str(program))
    host, _, port = address.rpartition(":")
    family = {"unix": socket.AF_UNIX, "[::1]": socket.AF_INET6}.get(host, socket.AF_INET)
    with socket.socket(family) as probe:
        try:
            probe.connect(port if host == "unix" else (host.strip("[]"), int(port)))
        except OSError:
            return False
    return True


def python(test: ProcessTestCase, program: str, *words: str) -> int:
    """Start one of the programs beside this; its port."""
    return int(test.launch(sys.executable, PROGRAMS / f"{program}.py", *words).waitFor(r"^port (\d+)$")[1])


def sshd(test: ProcessTestCase) -> tuple[int, list[str]]:
    """Start OpenSSH's server with keys of its own; its port, and what a client must be told besides the port."""
    folder = test.folder / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        test.perform("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
    (folder / "authorized_keys").write_bytes((folder / "user.pub").read_bytes())
    (folder / "known_hosts").write_text("tunnel " + (folder / "host.pub").read_text())
    if os.geteuid() == 0:
        # Where Debian's service makes it, and nobody else does: sshd insists on it when it is root.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = freePort()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    test.launch(find("sshd"), "-D", "-e", "-f", folder / "sshd_config").waitFor("Server listening on")
    client = [
        "-F", "none", "-i", f"{folder}/user", "-o", f"UserKnownHostsFile={folder}/known_hosts",
        "-o", "HostKeyAlias=tunnel", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes",
    ]  # fmt: skip
    return port, client
