"""One request head, complete, checked: the last place where a request can be ambiguous."""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpRequestParser

from diglett.http.heads import NO_OPTIONS, connectionOptions, parseFields
from diglett.http.host import parseHost
from diglett.http.messages import (
    CHUNKED,
    LENGTH,
    NONE,
    BadRequest,
    Fields,
    Limits,
    RequestHead,
)

# llhttp knows a fixed list of methods, some with meanings of their own. It is
# told these as they are, and anything else (WebDAV, QUERY, what is to come) as POST.
_PLAIN_METHODS = frozenset(b"GET HEAD POST PUT DELETE OPTIONS PATCH".split())
# No lower case: a backend that takes "head" for HEAD would send no body where
# we expect one, and the next answer would be taken for it.
_METHOD = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}")
_VERSIONS = {b"HTTP/1.1": 11, b"HTTP/1.0": 10}
_ANY_VERSION = re.compile(rb"HTTP/[0-9](?:\.[0-9])?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_CODINGS = frozenset(b"identity gzip x-gzip deflate compress x-compress chunked".split())
# CGI and WSGI backends cannot tell these from the real ones.
_FALSE_NAMES = frozenset((b"content_length", b"transfer_encoding"))
_TELLING = _FALSE_NAMES | frozenset(
    b"host content-length transfer-encoding connection upgrade expect".split()
)


def parseRequestHead(raw: bytes, limits: Limits) -> RequestHead:
    """Parse `raw`, which ends with the first empty line. Raises BadRequest."""
    method, target, version = _requestLine(raw[: raw.index(b"\r\n")], limits)
    fields: Fields = []
    try:
        told = raw if method in _PLAIN_METHODS else b"POST" + raw[len(method) :]
        parseFields(HttpRequestParser, told, fields)
    except HttpParserError as error:
        raise _refusal(error, raw, fields) from None
    if len(fields) > limits.requestFields:
        raise BadRequest(431, f"the request has more than {limits.requestFields} header fields")

    hostHeader = length = coding = upgrade = None
    options = NO_OPTIONS
    expectContinue = False
    for name, value in fields:
        name = name.lower()
        if name not in _TELLING:
            continue
        if name == b"host":
            if hostHeader is not None:
                raise BadRequest(400, "Host is given twice")
            hostHeader = value
        elif name == b"connection":
            options |= connectionOptions(value)
        elif name == b"content-length":
            if length is not None:
                raise BadRequest(400, "Content-Length is given twice")
            if not value.isdigit() or len(value) > 18:
                raise BadRequest(400, "Content-Length is not a sensible number")
            length = int(value)
        elif name == b"transfer-encoding":
            if coding is not None:
                raise BadRequest(400, "Transfer-Encoding is given twice")
            coding = value.lower()
        elif name == b"upgrade":
            upgrade = value.lower() if upgrade is None else upgrade + b", " + value.lower()
        elif name == b"expect":
            expectContinue = version == 11 and value.lower() == b"100-continue"
        else:
            raise BadRequest(400, f"{name.decode()} is misspelt")

    framing = NONE
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding are given")
        if version == 10:
            raise BadRequest(400, "Transfer-Encoding is not part of HTTP/1.0")
        if coding != b"chunked":
            raise _badCoding(coding)
        framing = CHUNKED
    elif length is not None:
        framing = LENGTH

    host = port = None
    if hostHeader is not None:
        try:
            host, port = parseHost(hostHeader)
        except ValueError as error:
            raise BadRequest(400, str(error)) from None
    elif version == 11:
        raise BadRequest(400, "Host is missing")
    if target[0] != 47:
        target = _originForm(method, target, host, port)
    if upgrade is not None and (version == 10 or not _mayUpgrade(options, upgrade)):
        upgrade = None
    keepAlive = b"close" not in options and (version == 11 or b"keep-alive" in options)
    # By position: thirteen keywords cost half a microsecond.
    return RequestHead(
        method, target, version, fields,
        host, port, hostHeader,
        framing, length or 0,
        keepAlive, options, upgrade, expectContinue,
    )  # fmt: skip


def _requestLine(line: bytes, limits: Limits) -> tuple[bytes, bytes, int]:
    try:
        method, target, protocol = line.split(b" ")
    except ValueError:
        raise BadRequest(400, "the request line is not METHOD TARGET VERSION") from None
    version = _VERSIONS.get(protocol)
    if version is None:
        if _ANY_VERSION.fullmatch(protocol):
            raise BadRequest(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        raise BadRequest(400, "the request line does not end with an HTTP version")
    if method not in _PLAIN_METHODS and not _METHOD.fullmatch(method):
        raise BadRequest(400, "the method is malformed")
    if method == b"CONNECT":
        raise BadRequest(501, "CONNECT is not supported: this is no forward proxy")
    if len(target) > limits.target:
        raise BadRequest(414, f"the request target is longer than {limits.target} bytes")
    if not target or b"#" in target:
        raise BadRequest(400, "the request target is malformed")
    return method, target, version


def _originForm(method: bytes, target: bytes, host: str | None, port: int | None) -> bytes:
    """The path and query of an absolute target, which must be for the very Host it names."""
    if target == b"*" and method == b"OPTIONS":
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest(400, "the request target is neither a path nor a URL")
    authority, path = match.groups()
    try:
        same = parseHost(authority) == (host, port)
    except ValueError as error:
        raise BadRequest(400, str(error)) from None
    if not same:
        raise BadRequest(400, "the request target names another host than Host")
    if not path and method == b"OPTIONS":
        return b"*"
    return path if path[:1] == b"/" else b"/" + path


def _mayUpgrade(options: frozenset[bytes], upgrade: bytes) -> bool:
    """Whether to pass an Upgrade on; never to h2c, whose requests nobody here would check."""
    if b"upgrade" not in options or not upgrade:
        return False
    return not any(protocol.strip().startswith(b"h2") for protocol in upgrade.split(b","))


def _badCoding(coding: bytes) -> BadRequest:
    """501 for codings that exist, 400 for what only looks like one."""
    codings = [part.strip() for part in coding.split(b",")]
    if _CODINGS.issuperset(codings) and b"chunked" not in codings[:-1]:
        return BadRequest(501, "of the transfer codings only chunked is supported")
    return BadRequest(400, "Transfer-Encoding is malformed")


def _refusal(error: HttpParserError, raw: bytes, fields: Fields) -> BadRequest:
    """What to say when llhttp refuses a head: 501 when only the coding is not known to it."""
    names = raw.lower()
    if b"\r\ncontent-length" not in names and names.count(b"\r\ntransfer-encoding") == 1:
        for name, value in fields:
            coding = value.lower()
            if name.lower() == b"transfer-encoding" and coding != b"chunked":
                return _badCoding(coding)
    return BadRequest(400, f"the request head is malformed: {error}")
