"""Handshakes in memory: bytes go to and fro until both sides are done or one gives up."""

from __future__ import annotations

import ssl
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from trustme import LeafCert

from diglett.trust.credentials import Credentials


@frozen
class Outcome:
    """How a handshake ended on each side; None where it ended well."""

    client: Exception | None
    server: Exception | None

    @property
    def good(self) -> bool:
        return self.client is None and self.server is None


def move(source: SSL.Connection, target: SSL.Connection) -> bool:
    """Carry what one side wants to say to the other; False if that was nothing."""
    try:
        target.bio_write(source.bio_read(1 << 20))
    except SSL.WantReadError:
        return False
    return True


def shake(client: SSL.Connection, server: SSL.Connection) -> Outcome:
    """Shake hands; after it neither side has anything more to say."""
    errors: dict[SSL.Connection, Exception | None] = {}
    moved = True
    while moved:
        moved = False
        for side, other in ((client, server), (server, client)):
            if side not in errors:
                try:
                    side.do_handshake()
                    errors[side] = None
                except SSL.WantReadError:
                    pass
                except SSL.Error as error:
                    errors[side] = error
            moved |= move(side, other)
    unfinished = ConnectionError("the handshake did not finish")
    return Outcome(errors.get(client, unfinished), errors.get(server, unfinished))


def say(source: SSL.Connection, target: SSL.Connection, data: bytes) -> bytes:
    """Send something from one side, and give what the other received."""
    source.send(data)
    move(source, target)
    return target.recv(len(data))


def credentialsOf(leaf: LeafCert) -> Credentials:
    """Turn what trustme made into our own kind."""
    chain = tuple(x509.load_pem_x509_certificate(pem.bytes()) for pem in leaf.cert_chain_pems)
    return Credentials(chain, load_pem_private_key(leaf.private_key_pem.bytes(), None))


def anyClient(
    name: str | None = None,
    alpn: list[bytes] | None = None,
    version: int | None = None,
    credentials: Credentials | None = None,
    ciphers: bytes | None = None,
) -> SSL.Connection:
    """Make a client that believes everybody."""
    context = SSL.Context(SSL.TLS_METHOD)
    if alpn:
        context.set_alpn_protos(alpn)
    if version:
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    if ciphers:
        context.set_cipher_list(ciphers)
    if credentials:
        context.use_certificate(credentials.leaf)
        context.use_privatekey(credentials.key)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    if name is not None:
        connection.set_tlsext_host_name(name.encode())
    return connection


def standardContext(file: Path) -> ssl.SSLContext:
    """TLS of a visitor with Python's own ssl module, which shares no code with ours; it trusts this file."""
    context = ssl.create_default_context(cafile=str(file))
    context.set_alpn_protocols(["http/1.1"])
    return context


def standardShake(
    name: str | None,
    context: ssl.SSLContext,
    server: SSL.Connection,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLObject:
    """Shake hands with such a one, and let it read one byte, so that it sees any tickets."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name, session=session)
    for _ in range(5):
        try:
            client.do_handshake()
            if outgoing.pending:
                server.bio_write(outgoing.read())
            server.do_handshake()
            server.send(b"x")
            incoming.write(server.bio_read(1 << 20))
            if client.read(1) != b"x":
                raise AssertionError("something else arrived")
            return client
        except ssl.SSLWantReadError:
            server.bio_write(outgoing.read())
        try:
            server.do_handshake()
        except SSL.WantReadError:
            pass
        incoming.write(server.bio_read(1 << 20))
    raise AssertionError("no end of the handshake")
