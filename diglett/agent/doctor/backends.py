"""From the agent to each backend: a connection, and for names of type http an answer."""

from __future__ import annotations

from typing import Any

from diglett.agent.doctor.asking import Asking, NoHttp
from diglett.agent.doctor.findings import Findings
from diglett.agent.securing import TLSFailed, secure
from diglett.agent.service import Tunnel
from diglett.link.link import reasonOf
from diglett.trust.client import BackendTrust

ANSWER_TIMEOUT = 10.0
"""Seconds that a backend has for `GET /`."""


async def checkBackend(findings: Findings, plane: Any, tunnel: Tunnel, host: str) -> None:
    """Reach it as a visitor of `host` would."""
    clock = plane.clock
    about = f"{tunnel.register.name} -> {tunnel.shown}"
    since = clock.seconds()
    try:
        channel = await tunnel.backend.reach()
    except TLSFailed as error:
        advice = "a certificate of its own making needs --backend-insecure, a backend without TLS http://"
        findings.failed("backend", about, f"TLS failed: {error}", advice, "backend-tls")
        return
    except Exception as error:
        advice = "start the program that should listen there, or correct the address"
        findings.failed("backend", about, reasonOf(error), advice, "backend-refused")
        return
    if tunnel.register.type != "http":
        channel.close()
        findings.ok("backend", about, f"takes connections ({_since(clock, since)})")
        return
    try:
        answer = await Asking(clock, channel, host, "/", ANSWER_TIMEOUT).done
    except NoHttp as error:
        advice = "does a web server listen there? Other services need --type tcp or tls"
        if await _speaksTls(plane, tunnel, host):
            advice = f"it speaks TLS: write https://{tunnel.shown.rpartition('/')[2]}"
        findings.failed("backend", about, f"takes connections, but: {error}", advice, "backend-protocol")
        return
    if answer.status == 400 and b"https" in answer.body.lower():
        advice = f"it wants TLS: write https://{tunnel.shown.rpartition('/')[2]}"
        findings.failed("backend", about, "answers 400 to plain HTTP", advice, "backend-protocol")
    elif answer.status >= 500:
        findings.warning("backend", about, f"answers {answer.status}", "see what it logs", "backend-status")
    else:
        findings.ok("backend", about, f"answers {answer.status} ({_since(clock, since)})")


async def _speaksTls(plane: Any, tunnel: Tunnel, host: str) -> bool:
    """Whether it shakes hands, whoever it is."""
    try:
        channel = await tunnel.backend.reach()
        (await secure(plane, channel, BackendTrust(host.partition(":")[0], insecure=True))).abort()
    except Exception:
        return False
    return True


def _since(clock: Any, since: float) -> str:
    return f"{(clock.seconds() - since) * 1000:.1f} ms"
