"""Where the processes of a cell live, and what can happen to the way between them.

    gateway, visitors -- line -- NAT -- agent, backend     three network namespaces: root, TUN and iptables are needed
    gateway, visitors -- relay -- agent, backend           all on loopback: anywhere; there is no loss of packets
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from attrs import define, field, frozen

from benchmarks.errors import Missing, Trouble
from benchmarks.namespaces import ip, namespace, sweep, tun
from benchmarks.place import Host
from benchmarks.tools import compiled, find
from tests.chaos.nat import forgetConnections
from tests.integration.components import LIMIT, freePort
from tests.integration.harness import Program

PREFIX = "diglett-chaos"
GATEWAY, OUTSIDE, INSIDE, AGENT = "10.203.118.1", "10.203.118.2", "192.168.118.1", "192.168.118.2"


@frozen
class Weather:
    """What the way is like: milliseconds each way, Mbit/s and percent lost each way."""

    delay: float = 5.0
    rate: float = 50.0
    loss: float = 0.0
    buffer: int = 256_000
    """Bytes that wait for their turn before they are dropped."""

    def __str__(self) -> str:
        """As line.c takes it."""
        return f"{self.delay} {self.rate} {self.loss} {self.buffer}"


FINE = Weather()
Start = Callable[..., Program]
"""Starts a program in the cell's folder: words, and what `Program` takes besides."""


class World(Protocol):
    """The way between gateway and agent, and what can be done to it."""

    gateway: Host
    agent: Host
    lossy: bool
    """Whether packets can be lost."""

    def way(self, port: int, relayed: bool) -> str:
        """Where an agent finds the gateway that listens at this port of its host; `relayed`: it must be one whose
        connections `end` can end. To be called once."""

    def become(self, weather: Weather) -> None:
        """Change the weather."""

    def hold(self, held: bool) -> None:
        """Let nothing through, in either direction and without a word."""

    def forget(self) -> None:
        """Let nothing through any more of connections that are there now."""

    def end(self, how: str) -> None:
        """`reset` or `close` what is connected, at both sides."""


@define(eq=False)
class Loopback:
    """Everything on loopback; the agent dials a relay."""

    _start: Start
    gateway: Host = field(factory=Host)
    agent: Host = field(factory=Host)
    lossy: bool = False
    _relay: Program | None = None

    def way(self, port: int, relayed: bool) -> str:
        self._relay, address = startRelay(self._start, Host(), "127.0.0.1", "127.0.0.1", port)
        self.become(FINE)
        return address

    def become(self, weather: Weather) -> None:
        self._tell(f"weather {weather.delay} {weather.rate}")

    def hold(self, held: bool) -> None:
        self._tell("hold" if held else "flow")

    def forget(self) -> None:
        self._tell("forget")

    def end(self, how: str) -> None:
        self._tell(how)

    def _tell(self, command: str) -> None:
        assert self._relay is not None
        obeyed(self._relay, command)


@define(eq=False)
class Namespaces:
    """Three namespaces. What can be ended at both sides goes through a relay at the NAT as well."""

    _start: Start
    _line: Program
    gateway: Host
    nat: Host
    agent: Host
    lossy: bool = True
    _relay: Program | None = None
    _weather: Weather = FINE

    @classmethod
    @contextmanager
    def opened(cls, start: Start, folder: Path) -> Iterator[Namespaces]:
        """Make them, and remove them. Missing when this user or machine cannot."""
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Missing("network namespaces need root and /dev/net/tun")
        for program in ("ip", "iptables"):
            find(program)
        tool = compiled("line", folder)
        sweep(PREFIX)
        with ExitStack() as ending:
            gateway, nat, agent = (ending.enter_context(namespace(PREFIX, side)) for side in "gna")
            devices = [tun(gateway, GATEWAY, OUTSIDE), tun(nat, OUTSIDE, GATEWAY)]
            try:
                _join(nat, agent)
                _translate(nat)
                line = start([tool, *map(str, devices), *str(FINE).split(), "20"], files=devices, commands=True)
            finally:
                for device in devices:
                    os.close(device)
            line.waitFor("^up$")
            yield cls(start, line, Host(GATEWAY, gateway), Host(OUTSIDE, nat), Host(AGENT, agent))

    def way(self, port: int, relayed: bool) -> str:
        if not relayed:
            return f"{GATEWAY}:{port}"
        self._relay, address = startRelay(self._start, self.nat, INSIDE, GATEWAY, port)
        return address

    def become(self, weather: Weather) -> None:
        self._weather = weather
        obeyed(self._line, str(weather))

    def hold(self, held: bool) -> None:
        obeyed(self._line, str(Weather(loss=100) if held else self._weather))

    def forget(self) -> None:
        assert self.nat.namespace is not None
        forgetConnections(self.nat.namespace)

    def end(self, how: str) -> None:
        assert self._relay is not None
        obeyed(self._relay, how)


def startRelay(start: Start, host: Host, here: str, target: str, port: int) -> tuple[Program, str]:
    """A relay on that host to a port elsewhere; where it listens."""
    words = [sys.executable, "-m", "tests.chaos.programs.relay", here, str(freePort()), target, str(port)]
    relay = start(host.command(words), commands=True)
    return relay, f"{here}:{relay.waitFor(r'^port (.*)$')[1]}"


def obeyed(program: Program, command: str) -> None:
    """Tell a program something, and wait until it has done it."""
    times = program.out.count("ok\n") + 1
    program.tell(command)
    program.waitFor("^ok$", times, LIMIT)


def _join(nat: str, agent: str) -> None:
    """The agent's network behind the NAT."""
    ip("-n", nat, "link", "add", "home", "type", "veth", "peer", "name", "home", "netns", agent)
    for home, address in ((nat, INSIDE), (agent, AGENT)):
        ip("-n", home, "addr", "add", f"{address}/24", "dev", "home")
        ip("-n", home, "link", "set", "home", "up")
    ip("-n", agent, "route", "add", "default", "via", INSIDE)


def _translate(nat: str) -> None:
    """What a router at home does: it hides its network, and drops what it knows nothing of."""
    _run(nat, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    rules = (
        "-t nat -A POSTROUTING -o line -j MASQUERADE",
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -i line -m conntrack --ctstate NEW -j DROP",
        "-A INPUT -i line -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP",
    )
    for rule in rules:
        _run(nat, "iptables", "-w", *rule.split())
    # Else a connection that it has forgotten is taken for one whose beginning it has missed.
    _run(nat, "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")


def _run(home: str, program: str, *words: str) -> None:
    command: Sequence[str] = Host(namespace=home).command([find(program), *words])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{program} {' '.join(words)}: {done.stderr.strip()}")
