"""A NAT that forgets: its table of connections is emptied by netlink, as conntrack(8) does it."""

from __future__ import annotations

import os
import socket
import struct

from benchmarks.errors import Trouble
from benchmarks.place import inside

_NETLINK_NETFILTER = 12
_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
_REQUEST_AND_ACK = 1 | 4
_ERROR = 2


def forgetConnections(namespace: str) -> None:
    """Remove all entries of the namespace's table. Trouble when the kernel refuses."""
    with inside(namespace):
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with kernel:
        kernel.settimeout(5)
        kernel.send(struct.pack("=IHHIIBBH", 20, _DELETE, _REQUEST_AND_ACK, 1, 0, socket.AF_INET, 0, 0))
        answer = kernel.recv(4096)
    kind, code = struct.unpack_from("=4xH10xi", answer)
    if kind != _ERROR or code:
        raise Trouble(f"the NAT's table could not be emptied: {os.strerror(-code)}")
