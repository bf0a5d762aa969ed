"""Whom a visitor's browser believes, as far as this machine can tell: the system's authorities and nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diglett.errors import Refused
from diglett.trust.contexts import HTTP
from diglett.trust.peer import PeerTrust


class VisitorTrust(PeerTrust):
    """The public front for `host`; with `ca`, `pins` or `localCa` what the agent believes instead."""

    def __init__(
        self,
        host: str,
        *,
        ca: str | None = None,
        pins: Sequence[str] = (),
        localCa: Path | None = None,
    ) -> None:
        super().__init__(host, ca=ca, pins=pins, localCa=localCa, alpn=(HTTP,), modern=False)

    def refusal(self, why: str, pin: str | None) -> Refused:
        """Say what a browser would."""
        return Refused(why, code="public-not-trusted")

    def clientRefusal(self, why: str) -> Refused:
        """Visitors have no certificates."""
        return Refused(f"it asks visitors for a certificate ({why})", code="public-certificate")
