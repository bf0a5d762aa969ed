"""Socket options, each only where the system knows it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any

from diglett.errors import UsageError

NOTSENT_LOWAT = 131_072
"""Bytes a link lets wait in the kernel unsent: more would stand between a ping and a slow line."""
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25 if sys.platform == "linux" else None)
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
_TCP_KEEPIDLE = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))  # macOS has its own name
_TCP_KEEPINTVL = getattr(socket, "TCP_KEEPINTVL", None)
_TCP_KEEPCNT = getattr(socket, "TCP_KEEPCNT", None)
_TCP_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_TCP_CONGESTION = getattr(socket, "TCP_CONGESTION", None)
_PROBES = 4
IDLE = 300
"""Seconds of silence after which the kernel asks whether a visitor is still there, and that it may take to answer: one
whose machine or network is gone would stay for ever otherwise."""
_REFUSALS = {errno.ENOENT: "which this kernel does not have", errno.EPERM: "which this user may not have"}


def _probing(idle: int, most: int) -> list[tuple[int, int, int]]:
    """The options that make the kernel ask after `idle` seconds, and give up after `most` more."""
    wanted = (_TCP_KEEPIDLE, idle), (_TCP_KEEPINTVL, max(1, most // _PROBES)), (_TCP_KEEPCNT, _PROBES)
    known = [(socket.IPPROTO_TCP, name, value) for name, value in wanted if name is not None]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


_ALWAYS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *_probing(IDLE, IDLE)]


def tune(connection: socket.socket) -> None:
    """What every TCP socket here gets, and hands down to those it accepts: Nagle's delay costs 40 ms on each small
    answer, and who is gone must be noticed some day."""
    if connection.family != getattr(socket, "AF_UNIX", None):
        try:
            for option in _ALWAYS:
                connection.setsockopt(*option)
        except OSError:
            pass  # some systems say no when the peer has reset it already, which reading it will tell


def tuneLink(channel: Any, timeout: float) -> None:
    """What a link's socket needs: little queued in the kernel, and the kernel's own watch for a dead peer.

    The kernel gives up when what was sent is not acknowledged for `timeout` seconds, or nothing came for so long and
    its own probes are not answered: those matter only to a link that has no ping.
    """
    idle = max(1, int(timeout / 3))
    for option in _probing(idle, int(timeout) - idle):
        channel.option(*option)
    if _TCP_NOTSENT_LOWAT is not None:
        channel.option(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
    if _TCP_USER_TIMEOUT is not None:
        channel.option(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(timeout * 1000))
    wanted = _congestionControl()
    if _TCP_CONGESTION is not None and wanted is not None:
        channel.option(socket.IPPROTO_TCP, _TCP_CONGESTION, os.fsencode(wanted))  # the kernel may refuse


def checkCongestion() -> None:
    """Raises UsageError: `DIGLETT_CONGESTION` names what no socket of this process can have."""
    wanted = _congestionControl()
    if wanted is None:
        return
    if _TCP_CONGESTION is None:
        raise UsageError(f"DIGLETT_CONGESTION is {wanted!r}: on this system it can only be system")
    try:
        with socket.socket() as trial:
            trial.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, os.fsencode(wanted))
    except OSError as error:
        why = _REFUSALS.get(error.errno or 0, f"which cannot be had ({error.strerror})")
        raise UsageError(
            f"DIGLETT_CONGESTION is {wanted!r}, {why}: it can be system, or what "
            "`sysctl net.ipv4.tcp_allowed_congestion_control` lists"
        ) from error


def _congestionControl() -> str | None:
    """What a link should have instead of what the system gives it; None leaves that.

    BBR is not the default, much as it helps where packets are lost: it takes the line from others who have cubic.
    """
    setting = os.environ.get("DIGLETT_CONGESTION", "")
    return setting if setting not in ("", "system") else None


def acknowledgeNow(channel: Any) -> None:
    """Do not let the kernel wait for something to acknowledge together; it forgets this, so say it after each read.

    A peer that sends a header and its payload one by one with Nagle's algorithm on holds the payload back until the
    header is acknowledged, which would take 40 ms.
    """
    if _TCP_QUICKACK is not None:
        channel.option(socket.IPPROTO_TCP, _TCP_QUICKACK, 1)
