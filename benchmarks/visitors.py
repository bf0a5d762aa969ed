"""What knocks on a tunnel's door: load, wrk."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from attrs import define, frozen

from benchmarks.errors import Trouble
from benchmarks.processes import Process
from benchmarks.site import Site, cleanEnvironment
from benchmarks.tools import SOURCES, find

_GRACE = 20.0  # seconds a visitor may take beyond what it was asked for


@frozen
class Door:
    """Where visitors of one backend knock. A name makes it a virtual host of a front."""

    port: int
    host: str = "127.0.0.1"
    name: str | None = None
    scheme: str = "http"

    @property
    def url(self) -> str:
        """What to give to an HTTP client; names under localhost are resolved by visitor.c."""
        return f"{self.scheme}://{self.name or self.host}:{self.port}/"


@define(eq=False)
class Visit:
    """A visitor at work."""

    site: Site
    process: Process
    limit: float
    what: str

    def result(self) -> dict[str, Any]:
        """Wait for its end; its line of JSON."""
        return _finish(self.site, self.process, self.limit, self.what)

    def stop(self) -> None:
        """End it, whatever it was doing."""
        self.site.lab.processes.stop([self.process])


def begin(site: Site, door: Door, mode: str, **options: float) -> Visit:
    """Start one mode of load.c."""
    process = _startLoad(site, door, mode, options)
    limit = float(options.get("seconds", 1)) + float(options.get("warm", 0.3)) + _GRACE
    return Visit(site, process, limit, f"load {mode}")


def load(site: Site, door: Door, mode: str, **options: float) -> dict[str, Any]:
    """Run one mode of load.c to its end; its line of JSON."""
    return begin(site, door, mode, **options).result()


@contextmanager
def held(site: Site, door: Door, mode: str, **options: float) -> Iterator[tuple[dict[str, Any], Callable[[], Any]]]:
    """Run a mode that holds: its first line, and a function that lets go and gives the second."""
    process = _startLoad(site, door, mode, options)
    popen = process.popen
    assert popen.stdin is not None and popen.stdout is not None
    try:
        line = popen.stdout.readline()
        if not line:
            raise Trouble(f"load {mode}: {process.tail(2)}")

        def release() -> dict[str, Any]:
            return _finish(site, process, 60, f"load {mode}")

        yield json.loads(line), release
    finally:
        site.lab.processes.stop([process])


def _startLoad(site: Site, door: Door, mode: str, options: dict[str, float]) -> Process:
    words = [f"{key}={value}" for key, value in options.items()]
    if door.name is not None:
        words.append(f"http={door.name}")
    command = [str(site.lab.tools.load), mode, f"{door.host}:{door.port}", *words]
    return _start(site, "load", command, {})


def wrk(
    site: Site, door: Door, connections: int, seconds: int, close: bool = False, resume: bool = False
) -> dict[str, Any]:
    """Keep-alive requests, or one per connection with close (resume: with TLS sessions resumed).

    Trouble when answers were not 200 or more than one request in a thousand failed.
    """
    command = [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SOURCES / "report.lua")]
    if close:
        command += ["-H", "Connection: close"]
    env = {"LD_PRELOAD": str(site.lab.tools.visitor), **({"VISITOR_RESUMES": "1"} if resume else {})}
    process = _start(site, "wrk", [*command, door.url], env)
    report = _finish(site, process, seconds + _GRACE, "wrk", marker="JSON ")
    if report["refused"] or report["errors"] > report["requests"] / 1000:
        raise Trouble(f"wrk: {report['refused']} answers other than 200, {report['errors']} errors")
    if not report["requests"]:
        raise Trouble("wrk: no request was answered")
    return report


def _start(site: Site, name: str, command: list[str], env: dict[str, str]) -> Process:
    log = site.folder / f"{name}.err"
    log.unlink(missing_ok=True)
    command = site.place.gateway.command(command)
    return site.lab.processes.start(name, command, log, env=cleanEnvironment(env), keepOutput=True)


def _finish(site: Site, process: Process, seconds: float, what: str, marker: str = "") -> dict[str, Any]:
    try:
        output, _ = process.popen.communicate(input=b"\n", timeout=seconds)
    except Exception as error:
        raise Trouble(f"{what}: no result ({type(error).__name__})") from error
    finally:
        site.lab.processes.stop([process])
    lines = [line for line in output.decode().splitlines() if line.startswith(marker)]
    if process.popen.returncode or not lines:
        raise Trouble(f"{what}: {process.tail(2) or 'no result'}")
    values = json.loads(lines[-1][len(marker) :])
    if any(isinstance(value, float) and math.isnan(value) for value in values.values()):
        raise Trouble(f"{what}: no requests in the time given")
    return dict(values)

