"""The processes of a run: started in groups of their own, logged to files, ended for certain."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from attrs import define, field

from benchmarks.errors import Missing
from benchmarks.procfs import descendants

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE = 3.0  # seconds between SIGTERM and SIGKILL


def _dieWithParent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@define(eq=False)
class Process:
    """A started process; what it says on stdout and stderr is in its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def output(self) -> str:
        """Everything said so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 8) -> str:
        """The last words, for an error message."""
        return "\n".join(self.output().strip().splitlines()[-lines:])


@define(eq=False)
class Processes:
    """Starts and ends processes; close() leaves none, orphans of orphans included."""

    _live: list[Process] = field(factory=list, init=False)
    _before: set[int] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._before = _others()
        # Orphans become children of ours, so that close() finds them.
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        keepOutput: bool = False,
        files: Sequence[int] = (),
    ) -> Process:
        """Start command; with keepOutput its stdin and stdout are pipes and only stderr is logged."""
        pipe = subprocess.PIPE
        with log.open("ab") as sink:
            try:
                popen = subprocess.Popen(
                    list(command),
                    stdin=pipe if keepOutput else subprocess.DEVNULL,
                    stdout=pipe if keepOutput else sink,
                    stderr=sink,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    pass_fds=files,
                    start_new_session=True,
                    preexec_fn=_dieWithParent,
                )
            except FileNotFoundError as error:
                raise Missing(f"{name}: {error.filename} is not there") from None
        process = Process(name, popen, log)
        self._live.append(process)
        return process

    def stop(self, processes: Iterable[Process]) -> None:
        """End these and all they have started: politely, then not."""
        ending = [process for process in processes if process in self._live]
        trees = descendants(process.pid for process in ending if not process.ended)
        for pid in trees:
            _kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and any(not process.ended for process in ending):
            time.sleep(0.005)
        for pid in set(trees) & set(descendants([os.getpid()])):
            _kill(pid, signal.SIGKILL)
        for process in ending:
            process.popen.wait()
            for stream in (process.popen.stdin, process.popen.stdout):
                if stream is not None:
                    stream.close()
            self._live.remove(process)

    def close(self) -> None:
        """End everything that is left, and bury what was adopted."""
        self.stop(list(self._live))
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            left = _others() - self._before
            if not left:
                return
            for pid in left:
                _kill(pid, signal.SIGKILL)
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass  # not ours yet: its parent has to go first
            time.sleep(0.005)


def _others() -> set[int]:
    return set(descendants([os.getpid()], dead=True)) - {os.getpid()}


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
