"""What was measured, where and with what: the head of the table."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def about(rounds: int, seconds: int) -> dict[str, str]:
    """Facts that a reader of the figures needs."""
    return {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {_cpu()}, Linux {platform.release()}, {_read(_CONGESTION)}",
        "python": platform.python_version(),
        "rounds": f"{rounds} of {seconds} s each",
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


_CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "?"


def _cpu() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "?"
    except FileNotFoundError:
        return "?"
