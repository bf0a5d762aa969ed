"""Where the time goes: python -m benchmarks.profile samples our two processes under load, and adds up by layer.

Needs py-spy (pip install py-spy) and the right to look at other processes (root, or ptrace_scope 0).
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Sequence

from attrs import frozen

from benchmarks.contenders.base import ROLES, Running
from benchmarks.contenders.ours import Ours
from benchmarks.errors import Trouble
from benchmarks.lab import Lab
from benchmarks.picture import draw
from benchmarks.settings import Settings
from benchmarks.tools import find
from benchmarks.visitors import load, wrk

RATE = 500  # samples a second
SECONDS = 6

# The innermost Python frame tells; the first that matches. A system call has no frame of its own, so what sends and
# receives counts as the kernel's: it is all but a twentieth of those functions.
LAYERS = (
    ("kernel: sockets", r"SocketChannel\.(readInto|write|writable|_shutdown)|_Lingering|\(socket\.py|_Attempt|accept"),
    ("kernel: waiting for work", r"Poller\._turn|doPoll|Readiness"),
    ("OpenSSL and pyOpenSSL", r"\(OpenSSL/|plane/(tls|records)\.py"),
    ("HTTP", r"\(diglett/http/|gateway/ingress/(http|exchange|upstream|front|visitorpages)\.py"),
    ("mux", r"\(diglett/wire/"),
    ("link and splices", r"\(diglett/link/|gateway/ingress/"),
    ("poller", r"\(diglett/plane/"),
    ("Twisted", r"\(twisted/|\(zope/"),
    ("the rest", r""),
)


@frozen
class Work:
    """A kind of load. One unit of it is what `unit` says."""

    key: str
    title: str
    way: str
    unit: str


WORKS = (
    Work("trip", "64 B there and back, one at a time", "opaque", "round trip"),
    Work("http", "HTTP through a port, 64 connections", "opaque", "request"),
    Work("https", "the HTTPS front, 64 connections", "https", "request"),
    Work("bulk", "bulk down, 1 stream", "opaque", "64 KiB piece"),
)


@frozen
class Share:
    """Microseconds of CPU per unit that a process spends in each layer."""

    work: Work
    role: str
    layers: dict[str, float]


def layerOf(stack: str) -> str:
    """The layer of a sample: frames from the outermost to the innermost, with semicolons between them."""
    innermost = stack.rsplit(";", 1)[-1]
    return next(name for name, pattern in LAYERS if re.search(pattern, innermost))


def layers(samples: str) -> Counter[str]:
    """How many samples fell into each layer; `samples` has a stack and a count on each line."""
    found: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        found[layerOf(stack)] += int(count)
    return found


def _sample(work: Work, running: Running) -> list[Share]:
    site = running.site
    pids = {role: site.roles[role][0].pid for role in ROLES}
    files = {role: site.folder / f"{role}.samples" for role in ROLES}
    spies = [
        subprocess.Popen(
            [find("py-spy"), "record", "-r", str(RATE), "-d", str(SECONDS + 60), "-f", "raw", "--nonblocking",
             "-o", str(files[role]), "-p", str(pids[role])],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for role in ROLES
    ]  # fmt: skip
    before = running.cpu()
    try:
        units = _load(work, running)
        after = running.cpu()
    finally:
        for spy in spies:
            spy.send_signal(signal.SIGINT)
        for spy in spies:
            spy.wait()
    found = []
    for role in ROLES:
        counted = layers(files[role].read_text())
        each = (after[role] - before[role]) / units * 1e6 / max(1, sum(counted.values()))
        found.append(Share(work, role, {name: counted[name] * each for name, _ in LAYERS}))
    return found


def _load(work: Work, running: Running) -> float:
    """Do the work; how many units of it, those of the warming up included."""
    times = {"seconds": SECONDS, "warm": 0.3}
    doors, site = running.doors, running.site
    if work.key == "trip":
        return float(load(site, doors["load"], "trip", connections=1, size=64, **times)["rate"]) * sum(times.values())
    if work.key == "bulk":
        return float(load(site, doors["load"], "down", streams=1, **times)["rate"]) / 65_536 * sum(times.values())
    return float(wrk(site, doors["secure" if work.way == "https" else "web"], 64, SECONDS)["requests"])


def measure(works: Sequence[Work]) -> list[Share]:
    """Each kind of work in turn, with a gateway and an agent of its own."""
    found: list[Share] = []
    with Lab.opened(Settings()) as lab:
        for work in works:
            contender = Ours(key=f"ours-{work.key}", way=work.way, env={"DIGLETT_POLL": "off"})
            site = lab.site(contender.key)
            try:
                found += _sample(work, contender.start(site))
            finally:
                site.stop()
    return found


def table(shares: Sequence[Share]) -> str:
    """For people, and for docs/performance.md."""
    heads = [f"{share.work.key}, {share.role}" for share in shares]
    lines = ["| µs of CPU for each | " + " | ".join(heads) + " |", "|---|" + "---|" * len(shares)]
    for name, _ in LAYERS:
        lines.append(f"| {name} | " + " | ".join(f"{share.layers[name]:.1f}" for share in shares) + " |")
    sums = " | ".join(f"**{sum(share.layers.values()):.1f}**" for share in shares)
    return "\n".join([*lines, f"| sum | {sums} |"])


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and draw the picture where wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__.partition("\n")[0])
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it as SVG")
    parser.add_argument("--works", default="", metavar="A,B", help="only these: " + ", ".join(w.key for w in WORKS))
    options = parser.parse_args(arguments)
    wanted = options.works.split(",") if options.works else [work.key for work in WORKS]
    try:
        shares = measure([work for work in WORKS if work.key in wanted])
    except Trouble as trouble:
        print(f"benchmarks: {trouble}", file=sys.stderr)
        return 1
    print(table(shares))
    if options.picture:
        options.picture.write_text(draw([name for name, _ in LAYERS], shares))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
