"""Run diglett-server as systemd would, with three listening sockets that come over a Unix socket: PATH OPTION..."""

from __future__ import annotations

import fcntl
import os
import socket
import sys

FIRST = 3
"""What systemd begins with."""


def receive(path: str) -> int:
    """Put what comes where systemd puts it; how many that was."""
    with socket.socket(socket.AF_UNIX) as giver:
        giver.connect(path)
        _, received, _, _ = socket.recv_fds(giver, 1, 8)
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 100) for each in received]
    for at, each in enumerate(moved):
        os.dup2(each, FIRST + at)
        os.close(each)
    return len(moved)


if __name__ == "__main__":
    os.environ["LISTEN_FDS"] = str(receive(sys.argv[1]))
    os.environ["LISTEN_FDNAMES"] = "agents:https:http"
    os.environ["LISTEN_PID"] = str(os.getpid())
    del sys.argv[1]
    from diglett.server import main

    sys.exit(main())
