"""Network namespaces and the devices in them: made for a run, and removed after it, also after one that was killed."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from benchmarks.errors import Trouble
from benchmarks.place import inside
from benchmarks.tools import find

_FOLDER = Path("/run/netns")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def ip(*words: str) -> str:
    """Run ip(8); what it said. Trouble when it fails."""
    done = subprocess.run([find("ip"), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def namespace(prefix: str, side: str) -> Iterator[str]:
    """A namespace of this process, removed at the end; its name. Loopback is up in it."""
    name = f"{prefix}-{os.getpid()}-{side}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        ip("netns", "del", name)


def sweep(prefix: str) -> None:
    """Remove the namespaces of processes that were killed, with all that still runs there."""
    for path in _FOLDER.glob(f"{prefix}-*-?") if _FOLDER.is_dir() else ():
        if Path(f"/proc/{path.name.split('-')[-2]}").exists():
            continue
        try:
            for pid in ip("netns", "pids", path.name).split():
                os.kill(int(pid), signal.SIGKILL)
            ip("netns", "del", path.name)
        except (Trouble, ProcessLookupError):
            pass  # another run sweeps at the same time


def tun(home: str, address: str, peer: str) -> int:
    """A TUN device `line` in a namespace, up, with its address; the file descriptor of its far end."""
    with inside(home):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"line", _IFF_TUN | _IFF_NO_PI))
    ip("-n", home, "addr", "add", address, "peer", peer, "dev", "line")
    ip("-n", home, "link", "set", "line", "up", "mtu", "1500")
    return device


def ordinary(home: str, address: str, peer: str) -> None:
    """Make cubic, nearly everybody's congestion control, that of a namespace, whatever this machine has.

    A namespace's own default can be only what the machine allows to all, which is reno at least; a route can have any.
    """
    with inside(home):
        Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text("reno")
    ip("-n", home, "route", "change", peer, "dev", "line", "src", address, "congctl", "cubic")
