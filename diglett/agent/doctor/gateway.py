"""From here to the gateway: its name, its addresses, and whom TLS finds there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.defer import Deferred, DeferredList

from diglett.agent.doctor.findings import Findings
from diglett.agent.securing import TLSFailed, Trust, secure
from diglett.config.agent import AgentConfig
from diglett.errors import DiglettError
from diglett.link.link import reasonOf
from diglett.names import isLoopback
from diglett.plane.channel import Channel, Target
from diglett.trust.contexts import peerCertificate
from diglett.trust.credentials import loadCertificates
from diglett.trust.reasons import namesIn
from diglett.wire.frames import ALPN

PATIENCE = 10.0
"""Seconds for each of these."""
SOON = timedelta(days=14)
"""A certificate that expires within this time is worth a warning."""

Resolve = Callable[[str, int], "Deferred[list[tuple[int, Any]]]"]


@frozen
class Reached:
    """An address that took a connection, in so many seconds."""

    address: str
    seconds: float
    channel: Channel


async def lookUp(findings: Findings, clock: Any, resolve: Resolve, host: str, port: int) -> list[str]:
    """The addresses of the gateway's name."""
    try:
        found = await resolve(host, port).addTimeout(PATIENCE, clock)
    except Exception as error:
        why = reasonOf(error) or "no answer in time"
        advice = "check how the gateway's name is written, and whether this machine can resolve other names"
        findings.failed("dns", host, why, advice, "dns")
        return []
    addresses = list(dict.fromkeys(str(address[0]) for _, address in found))
    if addresses == [host]:
        findings.ok("dns", host, "an address, nothing to look up")
    else:
        findings.ok("dns", host, ", ".join(addresses))
    return addresses


async def connect(findings: Findings, plane: Any, addresses: list[str], host: str, port: int) -> list[Reached]:
    """Try each of them, all at once."""
    clock = plane.clock
    since = clock.seconds()

    def reached(channel: Channel, address: str) -> Reached:
        return Reached(address, clock.seconds() - since, channel)

    attempts = [
        plane.connect(Target(host=address, port=port), PATIENCE).addCallback(reached, address)
        for address in addresses
    ]
    outcomes = await DeferredList(attempts, consumeErrors=True)
    good = [outcome for succeeded, outcome in outcomes if succeeded]
    bad = [
        f"{address}: {reasonOf(outcome.value)}"
        for address, (succeeded, outcome) in zip(addresses, outcomes, strict=True)
        if not succeeded
    ]
    about = str(Target(host=host, port=port))
    shown = ", ".join(f"{each.address} answers in {each.seconds * 1000:.1f} ms" for each in good)
    if not good:
        advice = (
            f"is the gateway running, is {port} the port that it prints at its start, and does a firewall let it "
            "through? Its HTTPS port (443) takes agents as well"
        )
        findings.failed("tcp", about, "; ".join(bad), advice, "tcp")
    elif bad and not isLoopback(host):
        said = f"{shown}; {'; '.join(bad)}"
        findings.warning("tcp", about, said, "remove the address from DNS, or let the gateway listen there", "tcp")
    else:
        findings.ok("tcp", about, shown)
    return good


async def shakeHands(
    findings: Findings, plane: Any, trust: Trust, config: AgentConfig, localCa: Path, good: list[Reached]
) -> bool:
    """TLS with each that answered, believed as an agent believes; whether one is a gateway that is trusted."""
    known: list[SSL.Connection] = []
    bad: list[tuple[str, TLSFailed]] = []
    for each in good:
        try:
            tls = await secure(plane, each.channel, trust)
        except TLSFailed as error:
            bad.append((each.address, error))
            continue
        known.append(tls.connection)
        tls.close()
    about = str(config.gateway)
    for address, failure in bad:
        said, _, more = str(failure).partition("\n")
        place = f"{address}: " if len(good) > 1 else ""
        permanent = failure.refused is not None
        advice = "; ".join(line.strip() for line in more.splitlines()) if permanent else (
            "is this the port for agents (20000) or the gateway's HTTPS port? Something else seems to answer"
        )  # fmt: skip
        if "expired" in said or "not valid yet" in said:
            advice = f"this machine's clock says {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC; {advice}"
        code = getattr(failure.refused, "code", "tls")
        findings.failed("tls", about, place + said, advice, code, permanent)
    if not known:
        return False
    _describe(findings, about, known[0], config, localCa)
    if known[0].get_alpn_proto_negotiated() != ALPN:
        said = f"no diglett gateway: it does not speak {ALPN.decode()}"
        advice = "is this the gateway's port for agents (20000), or its HTTPS port? A proxy that ends TLS is no way in"
        findings.failed("protocol", about, said, advice, "protocol")
        return False
    return True


def _describe(
    findings: Findings, about: str, connection: SSL.Connection, config: AgentConfig, localCa: Path
) -> None:
    leaf = peerCertificate(connection)
    assert leaf is not None
    if config.pins:
        # What else is in it does not count.
        findings.ok("tls", about, f"{connection.get_protocol_version_name()}, its key is the pinned one")
        return
    by = "the authority in --ca" if config.ca else "an authority that this machine trusts"
    if not config.ca and isFrom(leaf, localCa):
        by = f"{localCa}, the authority of this user's own gateway"
    until = leaf.not_valid_after_utc
    said = (
        f"{connection.get_protocol_version_name()}, a certificate for {namesIn(leaf)} until {until:%Y-%m-%d}, "
        f"trusted by {by}"
    )
    if until - datetime.now(timezone.utc) < SOON:
        findings.warning("tls", about, said, "the gateway's certificate expires soon: see to its renewal", "expires")
    else:
        findings.ok("tls", about, said)


def isFrom(leaf: x509.Certificate, authorities: Path) -> bool:
    """Whether one of the authorities in this file, which need not be there, has made it."""
    try:
        return any(leaf.issuer == authority.subject for authority in loadCertificates(authorities))
    except (DiglettError, OSError):
        return False
