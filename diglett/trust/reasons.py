# -*- test-case-name: tests.trust.test_reasons -*-
"""What OpenSSL means, in words for people."""

from __future__ import annotations

from cryptography import x509
from OpenSSL import SSL

_CODES = SSL.X509VerificationCodes

_UNKNOWN = frozenset(
    {
        _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT,
        _CODES.ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN,
        _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        _CODES.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
        _CODES.ERR_CERT_UNTRUSTED,
    }
)

_WORDS = {
    _CODES.ERR_CERT_HAS_EXPIRED: "has expired",
    _CODES.ERR_CERT_NOT_YET_VALID: "is not valid yet (is the clock right?)",
    _CODES.ERR_CERT_SIGNATURE_FAILURE: "has a wrong signature",
    _CODES.ERR_CERT_REVOKED: "was revoked",
    _CODES.ERR_INVALID_PURPOSE: "is not for this purpose",
    _CODES.ERR_INVALID_CA: "is no authority",
    _CODES.ERR_PATH_LENGTH_EXCEEDED: "may not sign what it signed",
}

SHOWN = 5
"""Names of a certificate that a message lists."""


def chainReason(code: int, depth: int) -> str:
    """Say what OpenSSL found wrong, as the end of a sentence about the peer."""
    if code in _UNKNOWN:
        return "its certificate is from an unknown authority"
    whose = "its certificate" if depth == 0 else "a certificate it depends on"
    return f"{whose} {_WORDS.get(code, f'was not accepted (OpenSSL code {code})')}"


def namesIn(leaf: x509.Certificate) -> str:
    """List the names and addresses a certificate is for, the first few of them."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "no name"
    names = [
        *found.get_values_for_type(x509.DNSName),
        *(str(address) for address in found.get_values_for_type(x509.IPAddress)),
    ]
    # They come from a stranger and end in a terminal.
    shown = ", ".join(ascii(name)[1:-1][:100] for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return shown + more or "no name"


def reasonsOf(error: Exception) -> list[str]:
    """Give the reasons in an error of pyOpenSSL, none if it has another form."""
    if not isinstance(error, SSL.Error) or not error.args or not isinstance(error.args[0], list):
        return []
    return [str(entry[-1]) for entry in error.args[0] if entry]


def failedVerification(error: Exception) -> bool:
    """True if the handshake ended because the peer's certificate was refused."""
    return "certificate verify failed" in reasonsOf(error)


def alertReason(error: Exception) -> str | None:
    """Say what the peer has against our client certificate, None if it sent no such alert."""
    for reason in reasonsOf(error):
        _, alert, tail = reason.partition("alert ")
        if alert and ("certificate" in tail or tail == "unknown ca"):
            return tail
    return None
