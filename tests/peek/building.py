"""ClientHellos to order, sound and broken."""

from __future__ import annotations

from collections.abc import Sequence


def vector(prefix: int, content: bytes) -> bytes:
    """Put the length in front, `prefix` bytes long."""
    return len(content).to_bytes(prefix, "big") + content


def extension(kind: int, content: bytes) -> bytes:
    """Make an extension."""
    return kind.to_bytes(2, "big") + vector(2, content)


def serverName(name: bytes) -> bytes:
    """Make the extension that names a host."""
    return extension(0, vector(2, b"\0" + vector(2, name)))


def hello(
    extensions: Sequence[bytes] | None,
    *,
    version: int = 0x0303,
    session: bytes = b"",
    suites: bytes = b"\x13\x01",
    compression: bytes = b"\0",
    behind: bytes = b"",
) -> bytes:
    """Make a hello in one record; None for no field of extensions at all."""
    body = version.to_bytes(2, "big") + bytes(32) + vector(1, session) + vector(2, suites) + vector(1, compression)
    if extensions is not None:
        body += vector(2, b"".join(extensions))
    return records(b"\1" + vector(3, body + behind))


def records(message: bytes, *sizes: int) -> bytes:
    """Split a message over records: of these sizes, then one for the rest."""
    split = b""
    for size in (*sizes, len(message)):
        if message:
            split += b"\x16\x03\x01" + vector(2, message[:size])
            message = message[size:]
    return split
