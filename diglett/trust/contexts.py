# -*- test-case-name: tests.trust.test_contexts -*-
"""What every TLS context of ours has in common, and whom a machine trusts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from diglett.trust.credentials import Credentials

DIGLETT = b"diglett/2"
"""The ALPN protocol of an agent's link."""

HTTP = b"http/1.1"
"""The ALPN protocol of an ordinary visitor."""

_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secret and authenticated only. TLS 1.3 has no others."""

_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION


def makeContext(
    credentials: Credentials | None = None, *, modern: bool = True, resumable: int = 0
) -> SSL.Context:
    """
    Make a context for TLS 1.2 and later that shows these credentials.

    `modern` leaves only the best ciphers of TLS 1.2, else OpenSSL decides.

    For `resumable` seconds a server resumes the sessions of its clients. It
    remembers nothing for that: they are given tickets, which are encrypted
    with keys that OpenSSL makes for the context, and that end with it.

    With 0 no session is resumed, because a resumed one is not verified again,
    and links live long. (TLS 1.3 servers still send two tickets, 158 bytes,
    which lead nowhere; pyOpenSSL cannot say otherwise.)
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    if resumable:
        context.set_timeout(resumable)
    else:
        context.set_options(SSL.OP_NO_TICKET)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 34 KB less for an idle connection
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if modern:
        context.set_cipher_list(_CIPHERS)
    if credentials is not None:
        context.use_certificate(credentials.leaf)
        for certificate in credentials.chain[1:]:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(credentials.key)
    return context


def trust(context: SSL.Context, authorities: Iterable[x509.Certificate]) -> None:
    """Let the context accept peers that these authorities vouch for."""
    store: Any = context.get_cert_store()
    for certificate in authorities:
        store.add_cert(crypto.X509.from_cryptography(certificate))


def trustSystem(context: SSL.Context, platform: str = sys.platform) -> None:
    """
    Let the context accept whom the machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).

    OpenSSL finds that by itself on Unix. On Windows it is asked from the
    system; on macOS certifi's list stands in when it is installed.
    """
    context.set_default_verify_paths()
    if platform == "win32":
        trust(context, _windowsAuthorities())
    elif platform == "darwin":
        try:
            import certifi  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            return
        context.load_verify_locations(certifi.where())


def _windowsAuthorities() -> list[x509.Certificate]:
    """Give the roots in the Windows certificate store that are good for TLS servers."""
    import ssl

    found = []
    entries: Sequence[Any] = ssl.enum_certificates("ROOT")  # type: ignore[attr-defined]
    for data, encoding, purposes in entries:
        serves = purposes is True or ssl.Purpose.SERVER_AUTH.oid in purposes
        if encoding == "x509_asn" and serves:
            try:
                found.append(x509.load_der_x509_certificate(data))
            except ValueError:
                continue  # one bad entry must not take the others with it
    return found


def peerCertificate(connection: SSL.Connection) -> x509.Certificate | None:
    """Give the certificate the other side proved to own; None before that or without one."""
    found = connection.get_peer_certificate()
    return None if found is None else found.to_cryptography()


def isResumed(connection: SSL.Connection) -> bool:
    """
    True if the client is just resuming a session; for the server's callbacks during the handshake only.

    Then the secret comes with the session, while that of a new one is not agreed on yet: pyOpenSSL says so by an
    error. After the handshake both have one.
    """
    try:
        return bool(connection.master_key())
    except SSL.Error:
        return False


def protocolOf(connection: SSL.Connection) -> bytes | None:
    """Give the ALPN protocol both sides agreed on, None if there is none."""
    return connection.get_alpn_proto_negotiated() or None


def serverNameOf(connection: SSL.Connection) -> str | None:
    """Give the host name the client asked for (SNI) in lower case, None without a usable one."""
    name = connection.get_servername()
    if not name:
        return None
    try:
        return name.decode("ascii").lower().removesuffix(".")
    except UnicodeDecodeError:
        return None
