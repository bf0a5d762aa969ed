"""Real processes for tests: what they write is read, waited for, and shown when a test fails."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.python.components import proxyForInterface
from twisted.trial.itrial import IReporter
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.components import LIMIT, find
from tests.sources import PACKAGE

T = TypeVar("T")

TROUBLE = re.compile(r"Traceback|Unhandled|a bug |Warning: unclosed")
"""What no program of ours may ever say, whatever the world does to it."""


class Program:
    """A process. `out` and `err` are what it has written so far."""

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        files: Sequence[int] = (),
        commands: bool = False,
    ) -> None:
        """`files` are descriptors that it inherits; with `commands` it is told things on its stdin."""
        self.words = words
        self.out = ""
        self.err = ""
        self._asked = False
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if commands else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=files,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=each, daemon=True)
            for each in (("out", self._process.stdout), ("err", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def __str__(self) -> str:
        """All there is to know about it, for people."""
        return f"==== {' '.join(self.words)}\n{self.out}---- stderr\n{self.err}---- status {self._process.poll()}\n"

    @property
    def pid(self) -> int:
        """Its process id, which is its group's as well."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def waitFor(self, pattern: str, times: int = 1, limit: float = LIMIT) -> re.Match[str]:
        """Wait until it has written this so often; the last match. `^` and `$` are the ends of a line."""
        end = time.monotonic() + limit
        with self._news:
            while True:
                for text in (self.out, self.err):
                    found = list(re.finditer(pattern, text, re.MULTILINE))
                    if len(found) >= times:
                        return found[times - 1]
                left = end - time.monotonic()
                if left < 0 or not any(reader.is_alive() for reader in self._readers):
                    raise AssertionError(f"it did not say {pattern!r}:\n{self}")
                self._news.wait(min(left, 0.5))

    def send(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self._asked = self._asked or number in (signal.SIGINT, signal.SIGTERM)
        self._process.send_signal(number)

    def tell(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def ended(self, limit: float = LIMIT) -> int:
        """Wait for its end; the exit status. Nothing that it started may still run."""
        try:
            status = self._process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {limit} s:\n{self}") from None
        for reader in self._readers:
            reader.join(LIMIT)
        self._alone()
        return status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, unless it was asked already; the exit status."""
        if not self._asked:
            self.send(number)
        return self.ended()

    def kill(self) -> None:
        """End it, and all that it started, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(LIMIT)
        for reader in self._readers:
            reader.join(LIMIT)
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass

    def heard(self, name: str, text: str) -> None:
        """It has just written this to `out` or `err`; for those who want to know when."""

    def _alone(self) -> None:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return
        raise AssertionError(f"it has left other processes behind:\n{self}")

    def _read(self, name: str, pipe: Any) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65_536):
                text = data.decode("utf-8", "replace")
                self.heard(name, text)
                with self._news:
                    setattr(self, name, (getattr(self, name) + text)[-1_000_000:])
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


class _Noticing(proxyForInterface(IReporter, "_result")):  # type: ignore[misc]
    """Passes results on, and notices whether something went wrong."""

    failed = False

    def addError(self, *arguments: Any) -> None:
        """Note it."""
        self.failed = True
        self._result.addError(*arguments)

    def addFailure(self, *arguments: Any) -> None:
        """Note it."""
        self.failed = True
        self._result.addFailure(*arguments)


class ProcessTestCase(SynchronousTestCase):
    """Starts programs. After the test the last started is ended first; a failure shows what all of them wrote."""

    def setUp(self) -> None:
        """Make a folder for this test, its home folder and its programs' current one.

        Its path is short, however deep the checkout lies: a Unix socket's may have 103 bytes.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="dt-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.programs: list[Program] = []

    def run(self, result: Any = None) -> Any:
        """Show the logs when something went wrong."""
        self.programs = []
        noticing = _Noticing(result)
        super().run(noticing)
        if noticing.failed:
            print("\n".join(["", self.id(), *map(str, self.programs)]), file=sys.stderr)
        return result

    def environment(self, **more: str) -> dict[str, str]:
        """A clean environment: the code is what is tested, and nothing of the developer's own tunnels is in it."""
        kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if key in os.environ}
        return {**kept, "HOME": str(self.folder), "LANG": "C.UTF-8", "PYTHONPATH": str(PACKAGE.parent), **more}

    def launch(self, *words: str | Path, **environment: str) -> Program:
        """Start a program and see to its end, which is nobody's business."""
        program = self.started(words, environment)
        self.addCleanup(program.kill)
        return program

    def launchOurs(self, *words: str | Path, **environment: str) -> Program:
        """Start a program of ours: asked to stop, it must do so with status 0, and it must not have had trouble."""
        program = self.started((sys.executable, *words), environment)

        def end() -> None:
            try:
                if program.running:
                    self.assertEqual(program.stop(), 0, f"when asked to stop: {words}")
                self.assertIsNone(TROUBLE.search(program.out + program.err), f"it had trouble: {words}")
            finally:
                program.kill()

        self.addCleanup(end)
        return program

    def started(self, words: Sequence[str | Path], environment: Mapping[str, str]) -> Program:
        """Start a program in this test's folder."""
        program = Program([*map(str, words)], self.folder, self.environment(**environment))
        self.programs.append(program)
        return program

    def perform(self, name: str, *words: str | Path, input: bytes = b"", limit: float = LIMIT) -> bytes:
        """Run one of the system's programs to its good end; what it wrote to stdout."""
        done = subprocess.run(
            [find(name), *map(str, words)],
            cwd=self.folder,
            env=self.environment(),
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=limit,
        )
        self.assertEqual(done.returncode, 0, f"{name} {words}: {done.stderr!r}")
        return done.stdout

    def until(self, what: str, condition: Callable[[], T], limit: float = LIMIT) -> T:
        """Wait for a condition that nobody announces; what it gave."""
        end = time.monotonic() + limit
        pause = threading.Event()
        while not (answer := condition()):
            if time.monotonic() > end:
                self.fail(f"{what}: not within {limit} s")
            pause.wait(0.01)
        return answer
