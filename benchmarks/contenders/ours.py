"""diglett itself, in several forms."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from attrs import Factory, define

from benchmarks.contenders.base import Contender, Running, Watch
from benchmarks.errors import Missing
from benchmarks.processes import Process
from benchmarks.site import Site
from benchmarks.tools import find
from benchmarks.visitors import Door

ROOT = Path(__file__).parents[2]


def agentCommand() -> list[str]:
    """The installed `diglett`, else the module."""
    try:
        return [find("diglett")]
    except Missing:
        return [sys.executable, "-m", "diglett"]


def gatewayCommand() -> list[str]:
    """twistd with our plugin."""
    return [find("twistd"), "-n", "--pidfile=", "diglett-server"]


@define(eq=False)
class Ours(Contender):
    """way: opaque (the listening ports), far (these, for long lines only), http or https (the embedded fronts)."""

    key: str = "ours"
    label: str = "ours"
    way: str = "opaque"
    env: dict[str, str] = Factory(dict)
    agent: tuple[str, ...] = ()
    """What to start instead of `diglett`."""

    def __attrs_post_init__(self) -> None:
        self.opaque = self.way in ("opaque", "far")
        self.far = self.way == "far" or (self.opaque and not self.env)
        if self.way == "far":
            self.doors = frozenset()
        elif self.way == "https":
            self.doors = frozenset({"secure"})

    def start(self, site: Site) -> Running:
        """A gateway with its own state, open to any agent on loopback, and an agent with two names."""
        place, certificates = site.place, site.lab.certificates
        env = {**self.env, "PYTHONPATH": str(ROOT)}
        link, front = place.gateway.freePort(), place.gateway.freePort()
        endpoint = f"tcp:{front}:interface=127.0.0.1"
        command = [
            *gatewayCommand(),
            *("--domain", "localhost", "--bind", "127.0.0.1", "--auth", "open", "--state", "state"),
            *("--listen", f"tcp:{link}:interface={place.gateway.address}"),
            *("--http", endpoint if self.way == "http" else "none"),
            *("--https", endpoint if self.way == "https" else "none"),
            *("--certificate", str(certificates.certificate), "--private-key", str(certificates.key)),
        ]
        watch = Watch()
        gateway = site.start("gateway", "gateway", command, env)
        site.awaitPort(gateway, link, place.agent, place.gateway.address)
        gatewayReady = watch.seconds()
        names = [name for name in ("load", "web") if name in site.backends]
        host = "localhost" if place.gateway.namespace is None else place.gateway.address
        command = [*(self.agent or agentCommand()), "-g", f"{host}:{link}", "--once"]
        command += ["--ca", str(certificates.authority)]
        for name in names:
            command += ["-n", name, f"127.0.0.1:{site.backends[name]}"]
        watch = Watch()
        agent = site.start("agent", "agent", command, env)
        doors: dict[str, Door] = {name: self._door(site, gateway, agent, name, front) for name in names}
        self._awaitForwarding(site, agent, doors)
        ready = watch.seconds()
        if self.way == "https":
            doors = {"secure": doors["web"]}
        return Running(self, site, doors, gatewayReady, ready)

    def _door(self, site: Site, gateway: Process, agent: Process, name: str, front: int) -> Door:
        pattern = rf"registered {name}\.localhost -> \S+:(\d+)"
        registered = site.await_(agent, f"register {name}", lambda: re.search(pattern, gateway.output()))
        if self.opaque:
            return Door(int(registered[1]))
        return Door(front, name=f"{name}.localhost", scheme=self.way)

    def _awaitForwarding(self, site: Site, agent: Process, doors: dict[str, Door]) -> None:
        if self.opaque:
            site.awaitEcho(agent, doors["load"].port)
        else:
            site.awaitAnswer(agent, doors["web"].port, "web.localhost", self.way == "https")
