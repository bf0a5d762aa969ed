"""The contenders, and choosing among them."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from benchmarks.contenders.base import Contender, Running
from benchmarks.contenders.direct import Direct
from benchmarks.contenders.fronted import CaddyFronted, NginxFronted
from benchmarks.contenders.haproxy import Haproxy
from benchmarks.contenders.named import readNamed
from benchmarks.contenders.ours import Ours
from benchmarks.contenders.prototype import Prototype
from benchmarks.contenders.ssh import Ssh


def allContenders(prototype: Path | None = None, others: Sequence[Path] = ()) -> list[Contender]:
    """Everything that can be compared, in the table's order."""
    found: list[Contender] = [Direct(), Ssh(), Haproxy()]
    if prototype is not None:
        found.append(Prototype(prototype))
    for path in others:
        found.extend(readNamed(path))
    return found + [
        Ours(),
        Ours("ours-nopoll", "ours, no polling", env={"DIGLETT_POLL": "off"}),
        Ours("ours-portable", "ours, portable plane", env={"DIGLETT_PLANE": "portable"}),
        Ours("ours-bbr", "ours, BBR", "far", env={"DIGLETT_CONGESTION": "bbr"}),
        Ours("ours-http", "ours, HTTP front", "http"),
        Ours("ours-https", "ours, HTTPS front", "https"),
        NginxFronted("nginx-ssh", "nginx TLS, ssh -R", Ssh),
        NginxFronted("nginx-ours", "nginx TLS, ours", Ours),
        CaddyFronted("caddy-ours", "Caddy TLS, ours", Ours),
    ]


__all__ = ["Contender", "Running", "allContenders"]
