"""The admin endpoint: `/` for people, `/api/status` for programs, `/metrics` for Prometheus.

There is no login: whoever reaches the endpoint may read. So it is off unless asked for, and answers only requests that
name it by an address or `localhost`: a page in somebody's browser cannot reach it by a name of its own (DNS
rebinding).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

from attrs import asdict
from twisted.web.resource import ErrorPage, Resource
from twisted.web.server import Site

from diglett.admin.metrics import metrics
from diglett.status import GatewayStatus

Snapshot = Callable[[], GatewayStatus]


def adminSite(snapshot: Snapshot) -> Site:
    """The factory to listen with."""
    root = Resource()
    root.putChild(b"", _Page(lambda: _html(snapshot()), "text/html; charset=utf-8"))
    root.putChild(b"metrics", _Page(lambda: metrics(snapshot()), "text/plain; version=0.0.4; charset=utf-8"))
    api = Resource()
    api.putChild(b"status", _Page(lambda: json.dumps(asdict(snapshot())) + "\n", "application/json"))
    root.putChild(b"api", api)
    site = _AdminSite(root)
    site.noisy = False
    site.displayTracebacks = False
    return site


class _AdminSite(Site):
    """Refuses requests that come by a name."""

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Any) -> None:
        """Who reads is of no interest."""

    def getResourceFor(self, request: Any) -> Any:
        if not _isAddress(request.getRequestHostname()):
            return ErrorPage(403, "Forbidden", "This is reached by an address or localhost only.")
        return super().getResourceFor(request)


def _isAddress(host: bytes) -> bool:
    return host == b"localhost" or b":" in host or not host.strip(b"0123456789.")


class _Page(Resource):
    """A body made anew for each request."""

    isLeaf = True

    def __init__(self, body: Callable[[], str], kind: str) -> None:
        super().__init__()
        self._body = body
        self._kind = kind

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", self._kind.encode())
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"x-content-type-options", b"nosniff")
        request.setHeader(b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")
        return self._body().encode()


_STYLE = """
:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #8884}td{overflow-wrap:anywhere}
"""


def _html(status: GatewayStatus) -> str:
    agents = [
        (
            agent.account,
            agent.address,
            _duration(agent.connected),
            ", ".join(agent.names),
            agent.streams,
            "" if agent.roundTrip is None else f"{agent.roundTrip * 1000:.1f} ms",
        )
        for agent in status.agents
    ]
    names = [(name.name, name.kind, " ".join(name.urls), name.agents) for name in status.names]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>diglett gateway {escape(status.domain)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(status.domain)}</h1>
<p>diglett {escape(status.version)}, up for {_duration(status.uptime)}{", stopping" if status.draining else ""};
{status.visitors} visitors, {status.handshakes} agents coming in, {status.refusedTotal} turned away</p>
{_table(("account", "address", "connected", "names", "streams", "round trip"), agents)}
{_table(("name", "type", "URLs", "agents"), names)}
</body></html>
"""


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def _duration(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"
