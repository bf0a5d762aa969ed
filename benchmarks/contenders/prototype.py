"""The throwaway prototype of the data path: how fast this idea was before it had any checks."""

from __future__ import annotations

import sys
from pathlib import Path

from attrs import define

from benchmarks.contenders.base import Contender, Running, Watch
from benchmarks.errors import Missing
from benchmarks.site import Site
from benchmarks.visitors import Door


@define(eq=False)
class Prototype(Contender):
    """mux2.py from a folder, adaptive polling on. It carries one backend, so there is a pair for each."""

    folder: Path
    key = "prototype"
    label = "prototype"

    def start(self, site: Site) -> Running:
        """Both pairs; the ready times are those of the first."""
        script = self.folder.absolute() / "mux2.py"
        if not script.exists():
            raise Missing(f"{script} is not there")
        env = {"CERTS": str(site.lab.certificates.selfSigned), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, str(script)]
        host = site.place.gateway
        doors: dict[str, Door] = {}
        times: list[tuple[float, float]] = []
        for name in ("load", "web"):
            public, link = host.freePort(), host.freePort()
            more = [str(public), str(link), "--spin=0.0001"]
            watch = Watch()
            gateway = site.start("gateway", f"gateway-{name}", [*command, "gateway", *more], env)
            site.awaitPort(gateway, public, host)
            gatewayReady = watch.seconds()
            watch = Watch()
            more = [str(link), str(site.backends[name]), "--spin=0.0001"]
            agent = site.start("agent", f"agent-{name}", [*command, "agent", *more], env)
            if name == "load":
                site.awaitEcho(agent, public)
            else:
                site.awaitAnswer(agent, public, "localhost")
            times.append((gatewayReady, watch.seconds()))
            doors[name] = Door(public)
        return Running(self, site, doors, *times[0])
