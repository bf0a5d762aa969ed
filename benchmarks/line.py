"""A long-distance line: two network namespaces, joined by TUN devices and a delaying relay."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

from attrs import frozen

from benchmarks.errors import Missing, Trouble
from benchmarks.place import Host, Place, inside
from benchmarks.tools import find

if TYPE_CHECKING:
    from benchmarks.lab import Lab

ADDRESSES = ("10.203.117.1", "10.203.117.2")  # the gateway's and the agent's end
_NAME = "diglett-bench"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SEED = 20  # the same packets are lost in every run


@frozen
class Line:
    """What the line is like; the delay is one way, the loss is each way."""

    loss: float = 0.0  # percent
    delay: float = 25.0  # ms
    rate: float = 100.0  # Mbit/s

    @property
    def buffer(self) -> int:
        """Bytes the router holds: one round trip's worth."""
        return int(self.rate * 1e6 / 8 * 2 * self.delay / 1e3)

    @contextmanager
    def opened(self, lab: Lab) -> Iterator[Place]:
        """Make the line, and remove it. Missing when this user or machine cannot."""
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Missing("a long-distance line needs root and /dev/net/tun")
        _sweep()
        with ExitStack() as ending:
            hosts, devices = [], []
            for index, side in enumerate("ab"):
                name = f"{_NAME}-{os.getpid()}-{side}"
                _ip("netns", "add", name)
                ending.callback(_ip, "netns", "del", name)
                host = Host(ADDRESSES[index], name)
                device = _tun(host, ADDRESSES[1 - index])
                ending.callback(os.close, device)
                hosts.append(host)
                devices.append(device)
            numbers = [self.delay, self.rate, self.loss, self.buffer, _SEED]
            command = [str(lab.tools.line), *map(str, devices), *map(str, numbers)]
            log = lab.folder / "line.log"
            relay = lab.processes.start("line", command, log, files=devices)
            ending.callback(lab.processes.stop, [relay])
            yield Place(*hosts)


def _sweep() -> None:
    """Remove the namespaces of benchmarks that were killed."""
    folder = Path("/run/netns")
    for path in folder.glob(f"{_NAME}-*-?") if folder.is_dir() else ():
        if not Path(f"/proc/{path.name.split('-')[-2]}").exists():
            _ip("netns", "del", path.name)


def _tun(host: Host, peer: str) -> int:
    """A TUN device in the host's namespace, up, with its address; the file descriptor of its far end."""
    with inside(host.namespace):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"line", _IFF_TUN | _IFF_NO_PI))
    assert host.namespace is not None
    for words in (
        f"addr add {host.address} peer {peer} dev line",
        "link set line up mtu 1500",
        "link set lo up",
    ):
        _ip("-n", host.namespace, *words.split())
    return device


def _ip(*words: str) -> None:
    done = subprocess.run([find("ip"), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"ip {' '.join(words)}: {done.stderr.strip()}")
