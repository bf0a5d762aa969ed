"""All that a run shares: tools, certificates, backends, processes, and a folder that goes at the end."""

from __future__ import annotations

import os
import resource
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Iterator, Mapping, Sequence

from attrs import define, field

from benchmarks.certificates import Certificates
from benchmarks.line import ADDRESSES
from benchmarks.place import HERE, Place
from benchmarks.processes import Processes
from benchmarks.procfs import keepOn
from benchmarks.settings import Settings
from benchmarks.site import Site
from benchmarks.tools import Tools
from benchmarks.web import startWeb

_FILES = 65536  # haproxy takes two descriptors a stream, and 10,000 streams are opened


@define(eq=False)
class Lab:
    """One run's surroundings."""

    folder: Path
    processes: Processes
    tools: Tools
    certificates: Certificates
    settings: Settings
    backends: Mapping[str, int] = field(factory=dict)
    _count: int = 0
    _backend: int | None = None

    @classmethod
    @contextmanager
    def opened(cls, settings: Settings) -> Iterator[Lab]:
        """Build and start what every contender needs; take all of it away at the end."""
        _raiseFileLimit()
        with ExitStack() as ending:
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="diglett-bench-")))
            processes = Processes()
            ending.callback(processes.close)
            lab = cls(
                folder,
                processes,
                Tools.build(folder),
                Certificates.make(folder, ["127.0.0.1", *ADDRESSES]),
                settings,
            )
            site = lab.site("backends")
            web, secure = startWeb(site)
            lab.backends = {"load": site.startBackend(), "web": web, "secure": secure}
            lab._backend = site.roles["backend"][-1].pid
            yield lab

    @contextmanager
    def apart(self, wanted: bool, roles: Mapping[str, Sequence[int]]) -> Iterator[dict[str, int]]:
        """Where wanted, keep visitor and gateway on one core, agent and backend on another, as on two machines.

        `roles` are the contender's processes; what this gives are options for load. Left alone, the kernel keeps each
        of the four wherever it happened to start, for minutes: the same program then takes 55, 100 or 132 µs for a
        round trip, and direct, on one core, a third of what it takes on two.
        """
        cores = sorted(os.sched_getaffinity(0))
        if not wanted or len(cores) < 2 or self._backend is None:
            yield {}
            return
        near, far = cores[0], cores[-1]
        kept = [(near, pid) for pid in roles["gateway"]]
        kept += [(far, pid) for pid in [*roles["agent"], self._backend]]
        try:
            for core, pid in kept:
                keepOn(pid, [core])
            yield {"cpu": near}
        finally:
            for _, pid in kept:
                keepOn(pid, cores)

    def site(self, name: str, place: Place = HERE) -> Site:
        """A new folder and process group for one contender."""
        self._count += 1
        folder = self.folder / f"{self._count:03}-{name}"
        folder.mkdir()
        return Site(self, place, folder, dict(self.backends))


def _raiseFileLimit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(hard, _FILES) if os.geteuid() == 0 else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
