"""A pair of haproxy with TLS between them: what C does with a connection per stream."""

from __future__ import annotations

import resource

from benchmarks.contenders.base import Contender, Running, Watch
from benchmarks.site import Site
from benchmarks.tools import find
from benchmarks.visitors import Door

_FRAME = """\
global
    nbthread 1
    maxconn {connections}
defaults
    mode tcp
    retries 0
    timeout connect 5s
    timeout client 1h
    timeout server 1h
"""


class Haproxy(Contender):
    """The gateway's end dials the agent's, which a real agent's NAT would forbid: a yardstick only."""

    key = "haproxy"
    label = "haproxy TLS pair"
    far = True

    def start(self, site: Site) -> Running:
        """Two configurations, two processes."""
        gateway, agent, certificates = site.place.gateway, site.place.agent, site.lab.certificates
        doors: dict[str, Door] = {}
        # Two descriptors a connection, and some of its own.
        limit = min(25000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) // 2)
        inner = outer = _FRAME.format(connections=limit)
        for name in sorted(self.doors & site.backends.keys()):
            middle, door = agent.freePort(), gateway.freePort()
            doors[name] = Door(door)
            outer += f"""
listen {name}
    bind 127.0.0.1:{door}
    server agent {agent.address}:{middle} ssl verify required ca-file {certificates.authority} verifyhost localhost
"""
            inner += f"""
listen {name}
    bind {agent.address}:{middle} ssl crt {certificates.bundle}
    server backend 127.0.0.1:{site.backends[name]}
"""
        (site.folder / "gateway.cfg").write_text(outer)
        (site.folder / "agent.cfg").write_text(inner)
        watch = Watch()
        front = site.start("gateway", "gateway", [find("haproxy"), "-db", "-f", "gateway.cfg"])
        site.awaitPort(front, doors["load"].port, gateway)
        gatewayReady = watch.seconds()
        watch = Watch()
        back = site.start("agent", "agent", [find("haproxy"), "-db", "-f", "agent.cfg"])
        site.awaitEcho(back, doors["load"].port)
        return Running(self, site, doors, gatewayReady, watch.seconds())
