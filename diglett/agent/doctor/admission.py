"""At the gateway's desk: the protocol, the token, the names. What is granted is held until `Stay.end`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from diglett import __version__
from diglett.agent.doctor.findings import Findings, Published
from diglett.agent.lookout import Lookout
from diglett.agent.parts import Parts
from diglett.agent.service import STREAMS_MAX, Tunnel
from diglett.errors import DiglettError, Refused
from diglett.link.dialling import Dialling
from diglett.link.greeting import timer
from diglett.link.link import Link
from diglett.wire.frames import ALPN
from diglett.wire.handshake.agent import Outcome
from diglett.wire.messages import Hello, Login, Register
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream
from diglett.wire.windows import WINDOW_START

DRAIN_LIMIT = 5.0
"""Seconds that real visitors have to finish who came while a name was ours."""

_ADVICE = {
    "login-refused": "check the token (--token-file, DIGLETT_TOKEN); the gateway's operator makes one with "
    "`diglett-server token add USER`",
    "login-throttled": "somebody has tried wrong tokens from this address: wait, then try again",
    "client-certificate": "check --certificate and --private-key with the gateway's operator",
    "version": "agent and gateway are too far apart: bring both to the same version",
    "name-taken": "stop the agent that has it, or choose another name with -n",
    "name-reserved": "choose another name with -n",
    "name-invalid": "choose another name with -n",
    "name-not-allowed": "choose a name that the account may use with -n, or ask the gateway's operator for this one",
    "publish-failed": "the gateway's log has the reason, and its operator can see to it",
    "limit": "an agent has to leave first, or the gateway's operator raises the limit",
}


@define(eq=False)
class Stay:
    """Our short life as an agent: a handler of its link."""

    parts: Parts
    lookout: Lookout
    tunnels: list[tuple[int, Tunnel]] = field(factory=list)
    """Those that we hold, each with its place on the command line."""
    link: Link | None = None
    _leaving: Deferred[None] | None = field(default=None, init=False)

    def accept(self, link: Link, stream: Stream, opening: Opening) -> Endpoint:
        """A visitor: of ours, or a real one, who is taken to the backend."""
        _, tunnel = self.tunnels[opening.registration - 1]

        def takeOn() -> Endpoint:
            endpoint: Endpoint = tunnel.backend.accept(link.mux, stream, opening)
            return endpoint

        return self.lookout.accept(link.mux, stream, takeOn) if self.lookout.expects else takeOn()

    def draining(self, link: Link) -> None:
        """It will end soon enough."""

    def emptied(self, link: Link) -> None:
        link.close()

    def lost(self, link: Link, error: DiglettError) -> None:
        self.link = None
        if self._leaving is not None:
            self._leaving.callback(None)

    async def end(self) -> None:
        """Give the names back at once, and let visitors who are being served finish for a while."""
        link = self.link
        if link is None:
            return
        self._leaving = Deferred()
        cancel = timer(self.parts.plane.clock, DRAIN_LIMIT, link.close)
        link.drain()
        await self._leaving
        cancel()


async def enter(
    findings: Findings, parts: Parts, stay: Stay, held: Mapping[str, Any], about: str
) -> Sequence[Published]:
    """
    Log in and take the names that no running agent of this user holds; what is ours then.

    A name that is held is asked for only when there is no other one: as another agent we cannot get it, and in
    refusing it the gateway has accepted the token.
    """
    wanted = [(number, tunnel) for number, tunnel in enumerate(parts.tunnels) if tunnel.register.name not in held]
    probing = not wanted
    if probing:
        wanted = list(enumerate(parts.tunnels))[:1]
    greeted = False
    speaks = ALPN.decode() if parts.dialling is Dialling else "version 1"
    while wanted:
        stay.tunnels = wanted
        try:
            login = Login(token=parts.token() or "", agent=secrets.token_hex(16))
        except DiglettError as error:
            findings.failed("token", about, str(error), code="usage", permanent=True)
            return ()
        attempt = parts.dialling(
            parts.plane,
            parts.target,
            parts.trust,
            stay,
            Hello(software=f"diglett-doctor/{__version__}", window=WINDOW_START, streams=STREAMS_MAX),
            login,
            # Never shared: of two agents with one name each would get half of the visitors.
            [Register(tunnel.register.name, tunnel.register.type) for _, tunnel in wanted],
        )
        try:
            stay.link, outcome = await attempt.done
        except DiglettError as error:
            stage = attempt.stage
            if stage == "name" and not greeted:
                greeted = True
                _welcome(findings, about, speaks, None)
            if stage != "name" or not isinstance(error, Refused):
                if stage == "token" and not greeted:
                    findings.ok("protocol", about, f"speaks {speaks}")
                _refused(findings, stage, about, error)
                return ()
            _, tunnel = wanted.pop(attempt.granted)
            if probing and error.code in ("name-taken", "refused"):  # version 1 has no codes
                return ()
            _refused(findings, "name", tunnel.register.name, error)
            continue
        if not greeted:
            _welcome(findings, about, speaks, outcome)
        return [
            Published(number, registered.name, tunnel.register.type, tuple(registered.urls))
            for (number, tunnel), registered in zip(wanted, outcome.registered, strict=False)
        ]
    return ()


def _welcome(findings: Findings, about: str, speaks: str, outcome: Outcome | None) -> None:
    software = outcome.hello.software if outcome is not None else ""
    findings.ok("protocol", about, f"speaks {speaks}{f'; it is {software}' if software not in ('', speaks) else ''}")
    findings.ok("token", about, "accepted")


def _refused(findings: Findings, stage: str, about: str, error: DiglettError) -> None:
    said, _, more = str(error).partition("\n")
    code = getattr(error, "code", "link-lost")
    advice = _ADVICE.get(code, "; ".join(line.strip() for line in more.splitlines()))
    step: Any = {"connect": "tcp", "tls": "tls", "name": "name", "token": "token"}.get(stage, "protocol")
    findings.failed(step, about, said, advice, code, isinstance(error, Refused) and error.permanent)
