"""CPU time and memory of process trees, from Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _CSTIME = 11, 15  # places in /proc/PID/stat, counted behind the command's name


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def descendants(roots: Iterable[int], dead: bool = False) -> list[int]:
    """The live processes among roots and their children's children; with dead, zombies as well."""
    children: dict[int, list[int]] = {}
    known = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields is not None and (dead or fields[0] != "Z"):
                known.add(int(entry))
                children.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in known and pid not in found:
            found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def cpuSeconds(roots: Iterable[int]) -> float:
    """CPU seconds, user and system, used so far by the trees, children already reaped included."""
    total = 0
    for pid in descendants(roots):
        fields = _stat(pid)
        if fields is not None:
            total += sum(int(field) for field in fields[_UTIME : _CSTIME])
    return total / _TICKS


def memoryKiB(roots: Iterable[int]) -> float:
    """Anonymous memory of the trees in KiB, what forks share divided among them.

    That is the proportional set size without mapped files, whose share changes with every other
    process that maps them. The kernel's socket buffers are not in it.
    """
    total = 0.0
    for pid in descendants(roots):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.endswith(" kB")}
        # Kernels before 5.4 do not tell them apart.
        total += sizes.get("Pss_Anon:", sizes["Pss:"]) + sizes.get("Pss_Shmem:", 0.0)
    return total


def keepOn(root: int, cores: Iterable[int]) -> None:
    """Have a process, its children's children and all their threads run on these cores only."""
    wanted = list(cores)
    for pid in descendants([root]):
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), wanted)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
