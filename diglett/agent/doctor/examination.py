"""All steps, in the order in which each makes sense of the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed

from diglett.agent.doctor.admission import Stay, enter
from diglett.agent.doctor.backends import checkBackend
from diglett.agent.doctor.findings import Findings, Published
from diglett.agent.doctor.gateway import Resolve, connect, lookUp, shakeHands
from diglett.agent.doctor.public import Sighting, Visitors
from diglett.agent.lookout import Lookout
from diglett.agent.parts import Parts
from diglett.agent.status.asking import Told
from diglett.config.agent import AgentConfig
from diglett.names import isLoopback

AskAgent = Callable[[Path, dict[str, Any], float], "Deferred[Any]"]
"""Ask a running agent on its socket."""


class Examination:
    """One run. `agents` are the running agents of this user, as they were asked just now."""

    def __init__(
        self,
        parts: Parts,
        config: AgentConfig,
        findings: Findings,
        resolve: Resolve,
        agents: Sequence[Told],
        ask: AskAgent,
    ) -> None:
        self._parts = parts
        self._config = config
        self._findings = findings
        self._resolve = resolve
        self._agents = agents
        self._ask = ask
        self._lookout = Lookout(parts.plane.clock)
        self._stay = Stay(parts, self._lookout)

    async def run(self) -> None:
        """Look at everything."""
        try:
            await self._examine()
        finally:
            self._lookout.close()
            await self._stay.end()

    async def _examine(self) -> None:
        parts = self._parts
        published: Sequence[Published] = ()
        if await self._trusted():
            published = await self._names()
        hosts = {each.number: _hostOf(each) for each in published}
        for number, tunnel in enumerate(parts.tunnels):
            host = hosts.get(number) or f"{tunnel.register.name}.{self._config.gateway.host}"
            await checkBackend(self._findings, parts.plane, tunnel, host)
        visitors = Visitors(
            self._findings, parts.plane, self._config, parts.state / "ca.pem", self._resolve, self._expect
        )
        for each in published:
            await visitors.visit(each)

    async def _trusted(self) -> bool:
        """Whether it is the gateway that we reach."""
        findings, plane, gateway = self._findings, self._parts.plane, self._config.gateway
        addresses = await lookUp(findings, plane.clock, self._resolve, gateway.host, gateway.port)
        if not addresses:
            return False
        good = await connect(findings, plane, addresses, gateway.host, gateway.port)
        if not good:
            return False
        if self._config.protocol == "v1":
            findings.skipped("tls", str(gateway), "version 1 has none: nobody knows who answers there")
            for each in good:
                each.channel.abort()
            return True
        return await shakeHands(
            findings, plane, self._parts.trust, self._config, self._parts.state / "ca.pem", good
        )

    async def _names(self) -> Sequence[Published]:
        """Log in, and hold what nobody holds; with what running agents of ours hold."""
        findings, about = self._findings, str(self._config.gateway)
        wanted = {tunnel.register.name: number for number, tunnel in enumerate(self._parts.tunnels)}
        held: dict[str, Published] = {}
        for told in self._agents:
            if told.answer is None:
                said = f"agent {told.pid} of yours does not answer, and may hold these names: nothing is tried"
                findings.failed("name", about, said, f"see what it does, or end it: kill {told.pid}", "no-answer")
                return ()
            if _isSame(told.answer.get("gateway", ""), about) and told.answer.get("state") == "connected":
                for name, each in _heldBy(told, wanted):
                    held[name] = each
        ours = await enter(findings, self._parts, self._stay, held, about)
        if not ours and not any(each.outcome == "ok" for each in findings.all if each.step == "token"):
            return ()
        for each in ours:
            findings.ok("name", each.name, "may be used, and is free")
        taken = {each.name for each in ours}
        for name, each in held.items():
            if name not in taken:
                findings.ok("name", name, f"is held by your own agent {each.held[0]}, which is connected")
        both = [*ours, *(each for name, each in held.items() if name not in taken)]
        return sorted(both, key=lambda each: each.number)

    def _expect(self, published: Published, marker: bytes, answer: bytes, seconds: float) -> Deferred[Sighting]:
        if published.held is None:
            return succeed(_Ours(self._lookout.expect(marker, answer, seconds)))
        _, path = published.held
        question = {"ask": "expect", "marker": marker.hex(), "answer": answer.hex(), "seconds": seconds}
        asking: Deferred[Any] = self._ask(path, question, seconds)
        # An agent that has just ended expects nobody, and then nobody comes to it.
        return asking.addBoth(lambda told: _Theirs(self._ask, path, marker, seconds + 2))


class _Ours:
    """A visitor that we wait for ourselves."""

    def __init__(self, came: Deferred[bool]) -> None:
        self._came = came

    def seen(self) -> Deferred[bool]:
        return self._came

    def cancel(self) -> None:
        self._came.addErrback(lambda failure: None)
        self._came.cancel()


class _Theirs:
    """A visitor that a running agent waits for."""

    def __init__(self, ask: AskAgent, path: Path, marker: bytes, seconds: float) -> None:
        self._question = ask, path, {"ask": "seen", "marker": marker.hex()}, seconds

    def seen(self) -> Deferred[bool]:
        ask, path, question, seconds = self._question
        asking: Deferred[Any] = ask(path, question, seconds)
        return asking.addCallbacks(lambda told: bool(told and told.get("seen")), lambda failure: False)

    def cancel(self) -> None:
        """It forgets by itself."""


def _heldBy(told: Told, wanted: dict[str, int]) -> list[tuple[str, Published]]:
    """Which of the names we want this agent holds."""
    assert told.answer is not None
    found = []
    for tunnel in told.answer.get("tunnels", ()):
        name = tunnel.get("name")
        if name in wanted:
            each = Published(wanted[name], name, tunnel.get("type", "http"), tuple(tunnel.get("urls", ())))
            busy = bool(told.answer.get("streams"))
            found.append((name, evolve(each, held=(told.pid, told.path), busy=busy)))
    return found


def _isSame(one: str, other: str) -> bool:
    """Whether these are the same gateway; this machine has several names."""
    (host, _, port), (otherHost, _, otherPort) = one.rpartition(":"), other.rpartition(":")
    local = isLoopback(host.strip("[]")) and isLoopback(otherHost.strip("[]"))
    return port == otherPort and (host == otherHost or local)


def _hostOf(published: Published) -> str:
    """What a visitor's browser calls it."""
    url = published.urls[0] if published.urls else ""
    return url.partition("://")[2].partition("/")[0] or url
