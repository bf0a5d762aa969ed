# -*- test-case-name: tests.trust.test_pins -*-
"""
Pins: the fingerprint of a public key, in the form that people copy.

A pin is the SHA-256 of the key's SubjectPublicKeyInfo (as in RFC 7469 and in
curl's `--pinnedpubkey`), so it outlives the certificates made for the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING

from diglett.errors import UsageError

if TYPE_CHECKING:
    from cryptography import x509

_PREFIX = "sha256:"


def pinOf(certificate: x509.Certificate) -> str:
    """Give the pin of a certificate's key: `sha256:` and 44 characters of base64."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return _PREFIX + base64.b64encode(digest.digest()).decode("ascii")


def parsePin(text: str) -> str:
    """
    Give the one spelling of a pin; curl's `sha256//` is understood too.

    Raises UsageError, saying what is wrong with it.
    """
    given = text.strip()
    for prefix in ("sha256//", _PREFIX):
        if given.lower().startswith(prefix):
            encoded = given[len(prefix) :]
            break
    else:
        raise UsageError(f"the pin {text!r} does not begin with {_PREFIX}")
    try:
        digest = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"the pin {text!r} is not base64 after its prefix") from None
    if len(digest) != 32:
        raise UsageError(
            f"the pin {text!r} holds {len(digest)} bytes instead of the 32 of a SHA-256"
        )
    return _PREFIX + base64.b64encode(digest).decode("ascii")


def isPinned(pin: str, pins: Iterable[str]) -> bool:
    """True if `pin` is one of `pins`; every one is compared, in constant time."""
    found = False
    for candidate in pins:
        found |= hmac.compare_digest(pin.encode(), candidate.encode())
    return found
