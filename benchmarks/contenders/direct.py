"""No tunnel at all: what the machine, the visitors and the backends can do."""

from __future__ import annotations

from benchmarks.contenders.base import Contender, Running
from benchmarks.site import Site
from benchmarks.visitors import Door


class Direct(Contender):
    """Visitors talk to the backends; its HTTPS is nginx's own."""

    key = "direct"
    label = "direct"
    doors = frozenset({"load", "web", "secure"})
    far = True
    tunnel = False

    def start(self, site: Site) -> Running:
        """Nothing to start; on a line, the backend is reached over it."""
        host = site.place.agent.address
        doors = {name: Door(port, host) for name, port in site.backends.items()}
        if "secure" in doors:
            doors["secure"] = Door(site.backends["secure"], name="web.localhost", scheme="https")
        return Running(self, site, doors)
