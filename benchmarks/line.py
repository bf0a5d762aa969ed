"""A long-distance line: two network namespaces, joined by TUN devices and a delaying relay."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Iterator

from attrs import frozen

from benchmarks.errors import Missing
from benchmarks.namespaces import namespace, ordinary, sweep, tun
from benchmarks.place import Host, Place

if TYPE_CHECKING:
    from benchmarks.lab import Lab

ADDRESSES = ("10.203.117.1", "10.203.117.2")  # the gateway's and the agent's end
_NAME = "diglett-bench"
_SEED = 20  # the same packets are lost in every run


@frozen
class Line:
    """What the line is like; the delay is one way, the loss is each way.

    cubic: its ends have the congestion control that most machines have, instead of this machine's.
    """

    loss: float = 0.0  # percent
    delay: float = 25.0  # ms
    rate: float = 100.0  # Mbit/s
    cubic: bool = False

    @property
    def buffer(self) -> int:
        """Bytes the router holds: one round trip's worth."""
        return int(self.rate * 1e6 / 8 * 2 * self.delay / 1e3)

    @property
    def weather(self) -> str:
        """As line.c takes it: delay, rate, loss and buffer."""
        return f"{self.delay} {self.rate} {self.loss} {self.buffer}"

    @contextmanager
    def opened(self, lab: Lab) -> Iterator[Place]:
        """Make the line, and remove it. Missing when this user or machine cannot."""
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Missing("a long-distance line needs root and /dev/net/tun")
        sweep(_NAME)
        with ExitStack() as ending:
            hosts, devices = [], []
            for index, side in enumerate("ab"):
                name = ending.enter_context(namespace(_NAME, side))
                device = tun(name, ADDRESSES[index], ADDRESSES[1 - index])
                ending.callback(os.close, device)
                if self.cubic:
                    ordinary(name, ADDRESSES[index], ADDRESSES[1 - index])
                hosts.append(Host(ADDRESSES[index], name))
                devices.append(device)
            command = [str(lab.tools.line), *map(str, devices), *self.weather.split(), str(_SEED)]
            log = lab.folder / "line.log"
            relay = lab.processes.start("line", command, log, files=devices)
            ending.callback(lab.processes.stop, [relay])
            yield Place(*hosts)
