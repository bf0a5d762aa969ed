"""Headers of the PROXY protocol, both versions."""

from __future__ import annotations

from ipaddress import ip_address

from diglett.peek.crc32c import crc32c
from diglett.peek.proxy import BadProxyHeader, ProxyInfo, ProxyReader, encodeProxyV1, encodeProxyV2
from tests.fuzz.cutting import pieces

MODULES = ("diglett.peek.proxy", "diglett.peek.proxyv1", "diglett.peek.proxyv2", "diglett.peek.proxyinfo")
_V4, _FRONT = ("192.0.2.7", 51_000), ("198.51.100.1", 443)
_V6 = ("2001:db8::7", 51_000)
_plain = encodeProxyV2(_V4, _FRONT)


def _withOptions(header: bytes, options: bytes) -> bytes:
    options += b"\3\0\4\0\0\0\0"
    size = len(header) - 16 + len(options)
    header = header[:14] + size.to_bytes(2, "big") + header[16:] + options
    return header[:-4] + crc32c(header).to_bytes(4, "big")


SEEDS = [
    encodeProxyV1(_V4, _FRONT) + b"GET / HTTP/1.1\r\n",
    encodeProxyV1(_V6, ("2001:db8::1", 443)),
    encodeProxyV1("unix", "unix"),
    b"PROXY UNKNOWN ffff::1 whatever\r\n",
    _plain + b"\x16\3\1",
    encodeProxyV2(_V6, _FRONT),
    encodeProxyV2("unix", "unix"),
    _plain[:12] + b"\x20\0\0\0",
    _plain[:13] + b"\x31\0\xd8" + bytes(216),
    _withOptions(_plain, b"\2\0\x0bexample.com\1\0\2h2"),
]
LONGEST = 4_112


def check(data: bytes) -> None:
    whole = read([data])
    assert read(pieces(data)) == whole, "cutting matters"
    info, rest = whole
    if not isinstance(info, ProxyInfo):
        return
    assert rest is not None and data.endswith(rest)
    if info.source is None or info.destination is None:
        assert info.source is info.destination is None
        return
    for host, port in (info.source, info.destination):
        assert str(ip_address(host)) == host and 0 <= port <= 65_535
    for encode in (encodeProxyV1, encodeProxyV2):
        again, left = read([encode(info.source, info.destination) + rest])
        assert isinstance(again, ProxyInfo) and left == rest
        assert (again.source, again.destination) == (info.source, info.destination), "written and read it is another"


def read(parts: list[bytes]) -> tuple[ProxyInfo | str | None, bytes | None]:
    """What it tells, or what is wrong with it; and what is behind it, with all the parts that come later."""
    reader = ProxyReader()
    for number, part in enumerate(parts):
        try:
            info = reader.feed(part)
        except BadProxyHeader as error:
            return str(error), None
        if info is not None:
            return info, reader.rest + b"".join(parts[number + 1 :])
        assert len(reader._buffer) < LONGEST, "too much is kept"
    return None, None
