"""ClientHellos, looked at as they arrive."""

from __future__ import annotations

from diglett.peek.clienthello import LIMIT, ClientHello, NotTLS, peekClientHello
from tests.fuzz.cutting import pieces
from tests.peek import hellos
from tests.peek.building import extension, hello, records, serverName, vector

MODULES = ("diglett.peek.clienthello", "diglett.peek.hostname")
_alpn = extension(16, vector(2, vector(1, b"h2") + vector(1, b"\x0a\x0a") + vector(1, b"http/1.1")))
_sound = hello([serverName(b"Example.gateway.com."), _alpn, extension(43, vector(1, b"\x1a\x1a\3\4\3\3"))])
SEEDS = [
    *(value for name, value in vars(hellos).items() if name.isupper() and isinstance(value, bytes)),
    _sound,
    hello(None),
    hello([serverName(b"192.0.2.1")]) + b"behind",
    records(_sound[5:], 1, 2, 40),
]


def check(data: bytes) -> None:
    whole = look(data)
    arrived = b""
    found: object = None
    for part in pieces(data):
        arrived += part
        found = look(arrived)
        if found is not None:
            break
        assert len(arrived) < LIMIT, "it never ends"
    assert found == whole, "cutting matters"
    assert look(data + b"\x17\3\3\0\1x") == whole or whole is None, "what follows matters"
    if isinstance(whole, ClientHello) and whole.serverName is not None:
        name = whole.serverName
        assert name == name.lower() and name.isascii() and name.isprintable() and 0 < len(name) <= 253
        assert not name.endswith(".") and "/" not in name and ":" not in name


def look(data: bytes) -> ClientHello | bool | None:
    """The hello, False for none, None for more."""
    try:
        return peekClientHello(data)
    except NotTLS:
        return False
