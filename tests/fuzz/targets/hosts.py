"""Names of hosts as requests and clients of TLS write them: both readers mean the same."""

from __future__ import annotations

from diglett.http.host import parseHost
from diglett.peek.hostname import readHostName

MODULES = ("diglett.http.host", "diglett.peek.hostname")
SEEDS = [b"Example.gateway.com.", b"a.example:81", b"[2001:DB8::1]:443", b"192.0.2.1", b"_x-1.example", b"::1", b"a..b"]


def check(data: bytes) -> None:
    try:
        host, port = parseHost(data)
    except ValueError:
        host, port = "", None
    try:
        name = readHostName(data)
    except ValueError:
        name = ""
    if host:
        assert host == host.lower() and host.isascii() and not host.endswith(".") and not host.startswith(".")
        assert port is None or 0 < port < 65_536
        suffix = "" if port is None else f":{port}"
        assert parseHost(f"{host}{suffix}".encode()) == (host, port), "written and read it is another"
    if name:
        assert readHostName(name.encode()) == name
    if host and name and port is None:
        assert host == name, "the two readers disagree: routed by one, served by the other"
