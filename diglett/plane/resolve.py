"""Names to addresses, through the reactor's resolver, anew each time it is asked."""

from __future__ import annotations

import errno
import socket
from functools import lru_cache
from typing import Any

from twisted.internet import address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IResolutionReceiver
from zope.interface import implementer

from diglett.plane.dial import Address


@lru_cache(maxsize=256)
def known(host: str, port: int) -> tuple[Address, ...]:
    """The addresses that need no asking: those written as such, and loopback. Empty when somebody must be asked."""
    if host == "localhost" or host.endswith(".localhost"):
        return (socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))
    literal = None if "%" in host else _literal(host, port)
    return () if literal is None else (literal,)


def resolve(reactor: Any, host: str, port: int) -> Deferred[list[Address]]:
    """The addresses of this host. `localhost` and names under it are loopback, whatever the resolver thinks.

    Fails with OSError when there are none.
    """
    try:
        literal = _literal(host, port)
        host.encode("idna")
    except OSError as error:
        return fail(error)
    except UnicodeError:
        return fail(OSError(errno.EHOSTUNREACH, f"{host} cannot be the name of a host"))
    if literal is not None:
        return succeed([literal])
    addresses = known(host, port)
    if addresses:
        return succeed(list(addresses))
    receiver = _Receiver(host, port)
    reactor.nameResolver.resolveHostName(receiver, host, port)
    return receiver.done


def _literal(host: str, port: int) -> Address | None:
    try:
        socket.inet_pton(socket.AF_INET, host)
        return socket.AF_INET, (host, port)
    except OSError:
        pass
    bare, _, zone = host.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, bare)
    except OSError:
        return None
    return socket.AF_INET6, (bare, port, 0, _scope(zone))


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._addresses: list[Address] = []
        self.done: Deferred[list[Address]] = Deferred()

    def resolutionBegan(self, resolution: Any) -> None: ...

    def addressResolved(self, found: Any) -> None:
        if isinstance(found, address.IPv6Address):
            self._addresses.append((socket.AF_INET6, (found.host, self._port, 0, _scope(found.scopeID))))
        elif isinstance(found, address.IPv4Address):
            self._addresses.append((socket.AF_INET, (found.host, self._port)))

    def resolutionComplete(self) -> None:
        if self._addresses:
            self.done.callback(self._addresses)
        else:
            self.done.errback(OSError(errno.EHOSTUNREACH, f"the name {self._host} is not known"))


def _scope(scope: Any) -> int:
    """The number of an interface, given as such or by name. Raises OSError: there is none of this name."""
    try:
        return int(scope or 0)
    except ValueError:
        pass
    try:
        return socket.if_nametoindex(scope)
    except OSError:
        raise OSError(errno.ENXIO, f"there is no interface {scope}") from None
