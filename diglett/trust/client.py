# -*- test-case-name: tests.trust.test_client -*-
"""Whom the agent trusts: the gateway it dials, and backends it reaches over TLS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diglett.errors import BackendNotTrusted, GatewayNotTrusted, Refused
from diglett.trust.contexts import DIGLETT, HTTP
from diglett.trust.credentials import Credentials
from diglett.trust.peer import PeerTrust

__all__ = ["BackendTrust", "GatewayTrust"]


class GatewayTrust(PeerTrust):
    """The gateway at `host`, verified as `PeerTrust` says; failures are GatewayNotTrusted."""

    def __init__(
        self,
        host: str,
        *,
        ca: str | Path | None = None,
        pins: Sequence[str] = (),
        localCa: str | Path | None = None,
        credentials: Credentials | None = None,
        alpn: Sequence[bytes] | None = (DIGLETT,),
    ) -> None:
        super().__init__(
            host, ca=ca, pins=pins, localCa=localCa, credentials=credentials, alpn=alpn
        )

    def refusal(self, why: str, pin: str | None) -> Refused:
        """Say what is wrong, what was seen, and how to go on."""
        lines = [f"the gateway {self.host} is not trusted: {why}"]
        if pin is not None:
            lines.append(f"its key has the fingerprint {pin}")
            lines.append(f"if the gateway prints the same when it starts, give --pin {pin}")
        if not self._pins:
            lines.append("or give its authority (a local gateway's ca.pem) with --ca FILE")
        return GatewayNotTrusted("\n  ".join(lines))

    def clientRefusal(self, why: str) -> Refused:
        """Say what the gateway has against the agent's certificate."""
        if self._credentials is None:
            message = f"the gateway {self.host} asks agents for a client certificate ({why})"
        else:
            message = f"the gateway {self.host} does not accept our client certificate: {why}"
        return Refused(message, code="client-certificate", permanent=True)


class BackendTrust(PeerTrust):
    """A backend reached over `https://`; failures are BackendNotTrusted. `insecure` believes anyone."""

    def __init__(
        self,
        host: str,
        *,
        insecure: bool = False,
        ca: str | Path | None = None,
        credentials: Credentials | None = None,
        alpn: Sequence[bytes] | None = (HTTP,),
    ) -> None:
        # Backends are as old as they are: OpenSSL's own list of ciphers.
        super().__init__(
            host, ca=ca, credentials=credentials, alpn=alpn, verifies=not insecure, modern=False
        )

    def refusal(self, why: str, pin: str | None) -> Refused:
        """Say what is wrong, and how to go on."""
        return BackendNotTrusted(
            f"the backend {self.host} is not trusted: {why}"
            " (--backend-insecure reaches it all the same)"
        )

    def clientRefusal(self, why: str) -> Refused:
        """Say what the backend has against the agent's certificate."""
        return BackendNotTrusted(f"the backend {self.host} wants a client certificate ({why})")
