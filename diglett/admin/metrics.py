"""A snapshot in Prometheus' text format (version 0.0.4): a dozen numbers need no library."""

from __future__ import annotations

from collections.abc import Iterator

from diglett.status import GatewayStatus


def metrics(status: GatewayStatus) -> str:
    """The whole answer."""
    return "\n".join(_lines(status)) + "\n"


def _lines(status: GatewayStatus) -> Iterator[str]:
    yield from _one("diglett_up_seconds", "gauge", "Seconds since the gateway listens.", status.uptime)
    yield from _one("diglett_draining", "gauge", "1 while the gateway stops.", int(status.draining))
    yield from _one("diglett_agents", "gauge", "Connected agents.", len(status.agents))
    yield from _one("diglett_names", "gauge", "Published names.", len(status.names))
    yield from _one("diglett_handshakes", "gauge", "Agents that are just coming in.", status.handshakes)
    yield from _one("diglett_visitors", "gauge", "Visitors' connections at the fronts.", status.visitors)
    yield from _one("diglett_agents_total", "counter", "Links established.", status.agentsTotal)
    yield from _one("diglett_refused_total", "counter", "Agents turned away.", status.refusedTotal)
    yield from _head("diglett_account_streams", "gauge", "Live streams of an account.")
    streams: dict[str, int] = {}
    for agent in status.agents:
        streams[agent.account] = streams.get(agent.account, 0) + agent.streams
    for account, number in sorted(streams.items()):
        yield f'diglett_account_streams{{account="{_label(account)}"}} {number}'


def _one(name: str, kind: str, help: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, help)
    yield f"{name} {value}"


def _head(name: str, kind: str, help: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
