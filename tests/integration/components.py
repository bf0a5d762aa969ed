"""Real programs for tests: found, started on free ports, waited for, and ended by their process id."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

REQUIRED = os.environ.get("DIGLETT_REQUIRE_COMPONENTS") == "1"
"""Whether a missing program is a failure rather than a reason to skip."""

LIMIT = 30.0
"""Seconds a program has to come up: the first start from a cold disk takes some."""

reactor: Any = _reactor


def find(program: str) -> str:
    """Where a program is: beside the running Python, on PATH, or where Debian puts daemons."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        if REQUIRED:
            raise AssertionError(f"{program} is not installed")
        raise SkipTest(f"{program} is not installed")
    return found


# Below those that Linux gives to outgoing connections: such a one may be taken again by any of the connections that
# are made meanwhile, even by one that only looks whether somebody listens there, and so finds itself.
_candidates = random.sample(range(10_240, 32_000), 20_000)


def freePort() -> int:
    """A port for a program that has to be told one; each is given once."""
    while True:
        port = _candidates.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port


class Running(ProcessProtocol):
    """One program; `output` is what it wrote."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.output = b""
        self.ended: Deferred[int | None] = Deferred()
        self.status: int | None = None

    def outReceived(self, data: bytes) -> None:
        """Keep the last of it."""
        self.output = (self.output + data)[-200_000:]

    errReceived = outReceived

    def processExited(self, reason: Failure) -> None:
        """The program is over; a child of its own may still hold the pipes."""
        self.status = reason.value.exitCode
        self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        """And so is what it wrote."""
        self.ended.callback(self.status)

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if not self.ended.called and self.transport is not None:
            try:
                self.transport.signalProcess(number)
            except ProcessExitedAlready:
                pass

    async def wait(self) -> int | None:
        """Wait for the end: the exit status, None if a signal ended it."""
        waiting: Deferred[None] = Deferred()
        self.ended.addCallback(lambda status: (waiting.callback(None), status)[1])
        await waiting
        return self.status

    async def kill(self) -> None:
        """End it as a crash would."""
        self.send(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> None:
        """End it as an operator would; as a crash would if it does not obey."""
        self.send(signal.SIGTERM)
        insist = reactor.callLater(2, self.send, signal.SIGKILL)
        await self.wait()
        if insist.active():
            insist.cancel()


class ComponentTestCase(TestCase):
    """Starts programs; all of them are ended after the test, and what they wrote is shown if it failed."""

    timeout = 90

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.programs: list[Running] = []

    def spawn(
        self, program: str, *arguments: str, env: dict[str, str] | None = None, gently: bool = True
    ) -> Running:
        """Start a program in the folder of this test; `gently` is how it is ended (those with children need it)."""
        executable = find(program)
        running = Running(program)
        self.programs.append(running)
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), **(env or {})}
        reactor.spawnProcess(running, executable, [executable, *arguments], environment, str(self.folder))
        self.addCleanup(lambda: Deferred.fromCoroutine(running.stop() if gently else running.kill()))
        return running

    async def run_(self, program: str, *arguments: str) -> tuple[int | None, str]:
        """Run a program to its end: its status, and what it wrote."""
        running = self.spawn(program, *arguments)
        return await running.wait(), running.output.decode("utf-8", "replace")

    async def sleep(self, seconds: float) -> None:
        """Let the reactor run for a while."""
        await deferLater(reactor, seconds)

    async def until(self, what: str, condition: Callable[[], Any], limit: float = LIMIT) -> float:
        """Wait until the condition (which may be a coroutine function) holds; the seconds that took."""
        begin = reactor.seconds()
        while True:
            result = condition()
            if hasattr(result, "__await__"):
                result = await result
            took = reactor.seconds() - begin
            if result:
                return took
            if took > limit:
                said = "".join(
                    f"\n--- {running.name}:\n{running.output[-2000:].decode('utf-8', 'replace')}"
                    for running in self.programs
                    if not running.ended.called
                )
                self.fail(f"{what}: not within {limit} s (the last answer was {result!r}){said}")
            await self.sleep(0.02)

    async def listening(self, port: int, running: Running | None = None) -> None:
        """Wait until somebody listens on the port."""

        def accepts() -> bool:
            if running is not None and running.ended.called:
                self.fail(f"{running.name} ended with {running.status}: {running.output.decode('utf-8', 'replace')}")
            with socket.socket() as probe:
                probe.settimeout(0.5)
                return probe.connect_ex(("127.0.0.1", port)) == 0

        await self.until(f"port {port}", accepts)

    async def fetch(self, url: str, *options: str) -> tuple[int, str]:
        """Status and body of a URL, by way of curl; status 0 if there was no answer."""
        status, output = await self.run_(
            "curl", "--silent", "--show-error", "--insecure", "--max-time", "10", "--noproxy", "*",
            "--write-out", "\n%{http_code}", *options, url,
        )  # fmt: skip
        body, _, code = output.rpartition("\n")
        return int(code) if code.isdigit() else 0, body
