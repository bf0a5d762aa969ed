"""A gateway with many agents: how long until all are back when it was restarted, and what they cost when idle.

`python -m tests.leak.herd`; everything runs on this machine, agents in a few processes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from diglett.plane.limits import raiseDescriptorLimit
from tests.integration.components import freePort
from tests.integration.harness import Program
from tests.integration.tunnel import SERVER
from tests.sources import PACKAGE

PROCESSES = 2
IDLE = 20.0
"""Seconds that CPU is measured for."""
STILL = 5.0
"""Seconds that the number of streams has to be right before that."""
PATIENCE = 60.0
"""Seconds that it has until it is."""
_TICKS = os.sysconf("SC_CLK_TCK")


SILENT = """
import resource, socket
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
print("port", listening.getsockname()[1], flush=True)
taken = []
while True:
    taken.append(listening.accept()[0])
"""
"""A backend that takes connections, and says nothing."""


class Herd:
    """The gateway and the agents."""

    def __init__(self, folder: Path, agents: int) -> None:
        self.folder = folder
        self.count = agents
        self.ports = [freePort() for _ in range(4)]
        self.backend = Program([sys.executable, "-c", SILENT], folder, self.environment())
        self.crowds: list[Program] = []
        self.gateway = self.start()

    def environment(self) -> dict[str, str]:
        """As in the tests of real processes."""
        kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
        return {**kept, "HOME": str(self.folder), "PYTHONPATH": str(PACKAGE.parent), "PYTHONUNBUFFERED": "1"}

    def start(self) -> Program:
        """Start the gateway."""
        words = ["--state", str(self.folder / "state")]
        for option, port in zip(("--listen", "--https", "--http", "--admin"), self.ports, strict=True):
            words += [option, f"tcp:{port}:interface=127.0.0.1"]
        gateway = Program([sys.executable, "-c", SERVER, *words], self.folder, self.environment())
        gateway.waitFor("connect an agent with")
        return gateway

    def gather(self) -> float:
        """Start the agents; the seconds until all are up."""
        began = time.time()
        each = self.count // PROCESSES
        for number in range(PROCESSES):
            words = [str(each), str(number * each), str(self.ports[0]), self.backend.waitFor(r"port (\d+)")[1]]
            self.crowds.append(
                Program(
                    [sys.executable, "-m", "tests.leak.crowd", *words, str(self.folder / "state")],
                    self.folder, self.environment(),
                )
            )  # fmt: skip
        return self.allUp(1)[0] - began

    def allUp(self, times: int) -> tuple[float, int]:
        """When the last one was, for the so many-th time, and how many attempts failed before."""
        said = [each.waitFor(r"^all \d+ are up at (\S+) after (\d+) failures", times, 120) for each in self.crowds]
        return max(float(each[1]) for each in said), sum(int(each[2]) for each in said)

    def restart(self, number: int, times: int) -> dict[str, Any]:
        """End the gateway and start it at once; how it was."""
        self.gateway.send(number)
        self.gateway.ended(60)
        self.gateway = self.start()
        ready = time.time()
        up, failures = self.allUp(times)
        return {
            "how": signal.Signals(number).name, "all back after": round(up - ready, 2), "failed attempts": failures,
            **self.usage(),
        }  # fmt: skip

    def usage(self) -> dict[str, Any]:
        """What the gateway has used so far."""
        return {"CPU seconds": cpu(self.gateway.pid), "resident MiB": resident(self.gateway.pid)}

    def idle(self, what: str) -> dict[str, Any]:
        """What it costs that they are there."""
        pids = {"gateway": self.gateway.pid, "agents": self.crowds[0].pid}
        before = {name: cpu(pid) for name, pid in pids.items()}
        time.sleep(IDLE)
        used = {f"{name} CPU %": round((cpu(pid) - before[name]) / IDLE * 100, 2) for name, pid in pids.items()}
        return {"what": what, **used, **{f"{name} MiB": resident(pid) for name, pid in pids.items()}}

    def visit(self, count: int) -> list[socket.socket]:
        """So many connections to the ports of names, spread over all, of which nobody says anything."""
        text = "".join((self.gateway.out, self.gateway.err))
        found = dict(re.findall(r"registered name-(\d+)\.localhost -> 127\.0\.0\.1:(\d+)", text))
        ports = [int(port) for port in found.values()]
        visitors = []
        for number in range(count):
            visitors.append(socket.create_connection(("127.0.0.1", ports[number % len(ports)]), 10))
        return visitors

    def streams(self) -> int:
        """How many the gateway has."""
        url = f"http://127.0.0.1:{self.ports[3]}/api/status"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
            return sum(agent["streams"] for agent in json.load(answer)["agents"])

    def settle(self, wanted: int) -> None:
        """Wait until the gateway has had so many streams for a while. Raises TimeoutError."""
        right = time.monotonic()
        end = right + PATIENCE
        while time.monotonic() - right < STILL:
            if (streams := self.streams()) != wanted:
                right = time.monotonic()
                if right > end:
                    raise TimeoutError(f"there are {streams} streams, not {wanted}, after {PATIENCE:.0f} s")
            time.sleep(0.5)

    def end(self) -> None:
        """All of it."""
        for each in [*self.crowds, self.gateway, self.backend]:
            each.kill()


def cpu(pid: int) -> float:
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / _TICKS, 2)


def resident(pid: int) -> int:
    """MiB of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.leak.herd", description=__doc__)
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--streams", type=int, default=0, help="idle ones, after the restarts (0)")
    parser.add_argument("--restarts", type=int, default=1, help="of each kind (1)")
    options = parser.parse_args()
    raiseDescriptorLimit()
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        herd = Herd(Path(folder), options.agents)
        try:
            up = round(herd.gather(), 2)
            print(json.dumps({"agents": options.agents, "up after": up, **herd.usage()}), flush=True)
            times = 1
            for number in (signal.SIGTERM, signal.SIGKILL) * options.restarts:
                times += 1
                print(json.dumps(herd.restart(number, times)), flush=True)
            herd.settle(0)
            print(json.dumps(herd.idle("links")), flush=True)
            if options.streams:
                visitors = herd.visit(options.streams)
                herd.settle(options.streams)
                print(json.dumps(herd.idle(f"links and {options.streams} streams")), flush=True)
                del visitors
        finally:
            herd.end()


if __name__ == "__main__":
    main()
