"""One response head, complete, checked."""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpResponseParser

from diglett.http.heads import NO_OPTIONS, connectionOptions, parseFields
from diglett.http.messages import (
    CHUNKED,
    LENGTH,
    NONE,
    UNTIL_CLOSE,
    BadGateway,
    Fields,
    Framing,
    Limits,
    ResponseHead,
)

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
_TELLING = frozenset(b"content-length transfer-encoding connection".split())


def parseResponseHead(raw: bytes, method: bytes, limits: Limits) -> ResponseHead:
    """Parse `raw`, which ends with the first empty line, as the answer to `method`.

    `framing` is how the body comes from the backend. Raises BadGateway.
    """
    match = _STATUS_LINE.match(raw)
    if match is None:
        raise BadGateway("the answer does not begin with an HTTP/1.1 status line")
    minor, code, reason = match.groups(b"")
    status = int(code)
    version = 11 if minor == b"1" else 10
    fields: Fields = []
    try:
        parseFields(HttpResponseParser, raw, fields)
    except HttpParserError as error:
        raise BadGateway(f"the head of the answer is malformed: {error}") from None
    if len(fields) > limits.responseFields:
        raise BadGateway(f"the answer has more than {limits.responseFields} header fields")

    length = coding = None
    options = NO_OPTIONS
    for name, value in fields:
        name = name.lower()
        if name not in _TELLING:
            continue
        if name == b"connection":
            options |= connectionOptions(value)
        elif name == b"content-length":
            if length is not None:
                raise BadGateway("Content-Length is given twice")
            if not value.isdigit() or len(value) > 18:
                raise BadGateway("Content-Length is not a sensible number")
            length = int(value)
        else:
            if coding is not None:
                raise BadGateway("Transfer-Encoding is given twice")
            coding = value.lower()

    if coding is not None:
        if length is not None:
            raise BadGateway("both Content-Length and Transfer-Encoding are given")
        if version == 10:
            raise BadGateway("Transfer-Encoding is not part of HTTP/1.0")
        if coding != b"chunked":
            raise BadGateway("of the transfer codings only chunked is supported")
    framing: Framing
    if method == b"HEAD" or status < 200 or status == 204 or status == 304:
        framing = NONE
    elif coding is not None:
        framing = CHUNKED
    else:
        framing = UNTIL_CLOSE if length is None else LENGTH
    lasting = b"close" not in options and (version == 11 or b"keep-alive" in options)
    keepAlive = lasting and framing is not UNTIL_CLOSE
    return ResponseHead(status, reason, version, fields, framing, length or 0, keepAlive, options)
