"""
The PROXY protocol: whom a proxy in front of us speaks for (haproxy's `proxy-protocol.txt`).

Whoever may send a header can pretend to be anybody. So expect one from trusted
proxies only, and from these always.
"""

from __future__ import annotations

from diglett.peek import proxyv1, proxyv2
from diglett.peek.proxyinfo import BadProxyHeader, ProxyInfo
from diglett.peek.proxyv1 import encodeProxyV1
from diglett.peek.proxyv2 import encodeProxyV2

__all__ = ["BadProxyHeader", "ProxyInfo", "ProxyReader", "encodeProxyV1", "encodeProxyV2"]


class ProxyReader:
    """Reads the header at the start of one connection, in whatever pieces it arrives."""

    def __init__(self) -> None:
        self._buffer = b""
        self.rest = b""
        """What came behind the header, once that has been read."""

    def feed(self, data: bytes) -> ProxyInfo | None:
        """
        Take bytes that have arrived: what the header tells, or None when more
        is needed. Not to be called again after an answer or an error.

        Raises BadProxyHeader: after 4112 bytes at the latest.
        """
        buffer = self._buffer = self._buffer + data
        for version in (proxyv2, proxyv1):
            size = len(version.SIGNATURE)
            if buffer[:size] == version.SIGNATURE[: len(buffer)]:
                break
        else:
            raise BadProxyHeader("the connection does not begin with a PROXY header")
        if len(buffer) < size:
            return None
        end = version.endOfHeader(buffer)
        if len(buffer) < end:
            return None
        self._buffer = b""
        self.rest = buffer[end:]
        info: ProxyInfo = version.readHeader(buffer[:end])
        return info
