"""The heads that go out: the visitor's request to the backend, its answer to the visitor.

Both are built anew from what was checked. Fields that concern one connection
only stay behind, and what the backend is told about the visitor is what we
know, not what an unknown visitor says about itself.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Literal

from diglett.http.messages import CHUNKED, LENGTH, Fields, RequestHead, ResponseHead


def _spellings(*names: str) -> frozenset[bytes]:
    """Each name with every mixture of - and _, which CGI and WSGI backends cannot tell apart."""
    return frozenset(
        "".join(letters).encode()
        for name in names
        for letters in product(*("-_" if letter == "-" else letter for letter in name))
    )


# `proxy` is not hop-by-hop, but HTTP_PROXY in a CGI program's environment.
_HOP_BY_HOP = _spellings(
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "proxy-authentication-info", "proxy", "te", "upgrade", "transfer-encoding", "http2-settings",
)  # fmt: skip
_REQUEST_DROPS = _HOP_BY_HOP | _spellings("host", "content-length")

# What says who the visitor is. An unknown visitor's are dropped, with all
# others that begin like the first; a trusted proxy's are passed on and added to.
_PREFIXES = _spellings("x-forwarded-")
_IDENTITY = _spellings("forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip")
_SUMMED_UP = (b"x-forwarded-for", b"forwarded")
_KEPT = (b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip")

# Connection cannot make us forget these (nor Host and the framing, which are
# written from what was understood).
_STANDARD_OPTIONS = frozenset(b"close keep-alive upgrade te content-length host".split())

Proto = Literal["http", "https"]


def buildRequestHead(
    head: RequestHead,
    *,
    client: str,
    proto: Proto,
    trusted: bool = False,
    clientPort: int | None = None,
    hostHeader: bytes | None = None,
    by: str | None = None,
) -> bytes:
    """The head for the backend, always HTTP/1.1.

    `client` is the address of the immediate peer, `trusted` whether that is a
    proxy whose word on the visitor counts. `clientPort` and `by` appear in
    Forwarded only, if given. `hostHeader` replaces the Host that was sent.
    """
    host = head.hostHeader if hostHeader is None else hostHeader
    if host is None:
        raise ValueError("a request without Host can go nowhere")
    drops = _REQUEST_DROPS if head.version == 11 else _REQUEST_DROPS | {b"expect"}
    unusual = head.connection - _STANDARD_OPTIONS
    if unusual:
        drops = drops | {name for name in unusual if not _isIdentity(name)}
    parts = [head.method, b" ", head.target, b" HTTP/1.1\r\nHost: ", host, b"\r\n"]
    told: Fields = []
    trailers = False
    for name, value in head.headers:
        key = name.lower()
        if key in drops:
            trailers = trailers or (key == b"te" and b"trailers" in value.lower())
        elif _isIdentity(key):
            if trusted:
                told.append((key, value))
        else:
            parts += (name, b": ", value, b"\r\n")
    if head.framing is LENGTH:
        parts.append(b"Content-Length: %d\r\n" % head.length)
    elif head.framing is CHUNKED:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    if head.upgrade is not None:
        upgrade = b", ".join(value for name, value in head.headers if name.lower() == b"upgrade")
        parts += (b"Connection: Upgrade\r\nUpgrade: ", upgrade, b"\r\n")
    elif trailers:
        parts.append(b"Connection: TE\r\nTE: trailers\r\n")
    known, encoded = _identity(client, clientPort, proto, head.hostHeader or host, head.port, by)
    parts += (_addTo(told, known) if told else encoded, b"\r\n")
    return b"".join(parts)


def buildResponseHead(head: ResponseHead, *, keepAlive: bool, version: int = 11) -> bytes:
    """The head for a visitor who speaks `version`; interim heads included.

    `keepAlive` is whether its connection stays open after the answer, which
    it cannot when the framing is UNTIL_CLOSE.
    """
    known = head.encoded
    if known is not None and known[0] == keepAlive and known[1] == version:
        return known[2]
    encoded = _buildResponseHead(head, keepAlive, version)
    head.encoded = keepAlive, version, encoded
    return encoded


def _buildResponseHead(head: ResponseHead, keepAlive: bool, version: int) -> bytes:
    status = head.status
    drops = _HOP_BY_HOP
    unusual = head.connection - _STANDARD_OPTIONS
    if unusual:
        drops = drops | unusual
    if status < 200 or status == 204:  # there is no body, nor would there have been one
        drops = drops | {b"content-length"}
    if status == 101 or status == 426:
        drops = drops - {b"upgrade"}
    parts = [b"HTTP/1.1 %d %b\r\n" % (status, head.reason)]
    for name, value in head.headers:
        if name.lower() not in drops:
            parts += (name, b": ", value, b"\r\n")
    if head.framing is CHUNKED:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    options = [b"Upgrade"] if status == 101 or status == 426 else []
    if status >= 200:
        if not keepAlive:
            options.append(b"close")
        elif version == 10:
            options.append(b"keep-alive")
    if options:
        parts += (b"Connection: ", b", ".join(options), b"\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def _isIdentity(name: bytes) -> bool:
    return name in _IDENTITY or (name[0] == 120 and name[:12] in _PREFIXES)


@lru_cache(maxsize=512)
def _identity(
    client: str, clientPort: int | None, proto: str, host: bytes, port: int | None, by: str | None
) -> tuple[Fields, bytes]:
    """What we know about the visitor, also encoded: the same for all its requests to one host."""
    client = client.partition("%")[0]  # the zone of a link-local address means nothing elsewhere
    if client.startswith("::ffff:") and "." in client:
        client = client[7:]
    node = f"[{client}]" if ":" in client else client or "unknown"
    if clientPort is not None:
        node += f":{clientPort}"
    element = f"for={_quoted(node)};host={_quoted(host.decode('latin-1'))};proto={proto}"
    if by is not None:
        element += f";by={_quoted(by)}"
    fields = [
        (b"X-Forwarded-For", (client or "unknown").encode()),
        (b"X-Forwarded-Proto", proto.encode()),
        (b"X-Forwarded-Host", host),
        (b"X-Forwarded-Port", b"%d" % (port or (443 if proto == "https" else 80))),
        (b"X-Real-IP", (client or "unknown").encode()),
        (b"Forwarded", element.encode("latin-1")),
    ]
    return fields, _encode(fields)


def _quoted(text: str) -> str:
    """A value of Forwarded (RFC 7239), quoted when it is no token."""
    if text.replace("-", "").replace(".", "").replace("_", "").isalnum():
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encode(fields: Fields) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


def _addTo(told: Fields, fields: Fields) -> bytes:
    """What a trusted proxy told, with the proxy itself as the last in the chain."""
    out = []
    ours = {name.lower() for name, _ in fields}
    for name, value in fields:
        theirs = [v for key, v in told if key == name.lower()]
        if theirs and name.lower() in _SUMMED_UP:
            value = b", ".join([*theirs, value])
        elif theirs:
            value = theirs[0]
        out.append((name, value))
    return _encode(out + [pair for pair in told if pair[0] not in ours and b"_" not in pair[0]])
