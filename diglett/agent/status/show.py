"""The status of an agent in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def describe(pid: int, agent: Mapping[str, Any] | None) -> Iterator[str]:
    """The lines about one agent; None is one that does not answer."""
    if agent is None:
        yield f"agent {pid} does not answer: it is stopped, or busy beyond measure"
        return
    yield f"agent {pid} at {agent['gateway']}: {_link(agent)}"
    width = max((len(tunnel["name"]) for tunnel in agent["tunnels"]), default=0)
    for tunnel in agent["tunnels"]:
        url = tunnel["urls"][0] if tunnel["urls"] else "(no URL yet)"
        trouble = "" if tunnel["reachable"] else f"  BACKEND DOWN: {tunnel['reason']}"
        yield f"  {tunnel['name']:{width}}  {url} -> {tunnel['backend']}{trouble}"
    yield (
        f"  {_count(agent['streams'], 'stream')} open, {agent['streamsTotal']} in all;"
        f" {size(agent['received'])} received, {size(agent['sent'])} sent;"
        f" reconnected {_count(agent['reconnects'], 'time')}"
    )
    if agent["lastDown"]:
        yield f"  last down {agent['lastDown'][:19].replace('T', ' ')} UTC: {agent['lastReason']}"


def _link(agent: Mapping[str, Any]) -> str:
    state = agent["state"]
    if state == "connected":
        trip = agent["roundTrip"]
        return f"connected for {duration(agent['connected'])}" + (
            f", round trip {trip * 1000:.1f} ms" if trip is not None else ""
        )
    if state == "silent":
        return f"SILENT: the gateway has not been heard for {duration(agent['silence'])}"
    if state == "stopping":
        return "stopping"
    trouble = f": {agent['trouble']}" if agent["trouble"] else ""
    due = agent["nextTry"]
    return f"NOT CONNECTED{trouble}" + (f"; next try in {due:.1f} s" if due is not None else "")


def duration(seconds: float) -> str:
    """So long, in the largest unit of which there is one."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def size(count: float) -> str:
    """So many bytes."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.1f} {units[0]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
