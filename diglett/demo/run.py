"""Puts the three together. Everything is what the two commands run; only the site is made for this."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from diglett.config.address import Address
from diglett.config.agent import AgentConfig
from diglett.config.backend import parseBackend
from diglett.config.demo import DemoOptions
from diglett.config.gateway import GatewayConfig
from diglett.config.tunnel import TunnelConfig
from diglett.errors import DiglettError

NAME = "demo"
_USUAL = {"https": 8443, "http": 8080}


def run(options: DemoOptions) -> int:
    """Serve until asked to stop; the exit status."""
    from twisted.internet import reactor

    from diglett.agent.logging import startLogging

    clock: Any = reactor
    startLogging(options.debug, "text")
    folder = Path(tempfile.mkdtemp(prefix="diglett-demo-"))
    demo = Demo(clock, options, folder)
    clock.callWhenRunning(demo.start)
    clock.addSystemEventTrigger("before", "shutdown", demo.stop)
    try:
        clock.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return demo.status


class Demo:
    """The demonstration's life. `folder` holds its keys and token and goes with it."""

    def __init__(self, reactor: Any, options: DemoOptions, folder: Path) -> None:
        self.status = 0
        self._reactor = reactor
        self._options = options
        self._folder = folder
        self._gateway: Any = None
        self._agent: Any = None
        self._site: Any = None

    def start(self) -> None:
        """Start the site, then the gateway, then the agent, each when the one before is ready."""
        from twisted.internet.defer import Deferred

        Deferred.fromCoroutine(self._start()).addErrback(self._failed)

    async def _start(self) -> None:
        from diglett.agent.parts import makeAgent
        from diglett.demo.site import sampleSite
        from diglett.gateway.service import GatewayService

        self._site = self._reactor.listenTCP(0, sampleSite(), interface="127.0.0.1")
        backend = f"127.0.0.1:{self._site.getHost().port}"
        config = GatewayConfig(
            listen="tcp:0:interface=127.0.0.1",
            https=_endpoint("https", self._options.httpsPort),
            http=_endpoint("http", self._options.httpPort),
            state=str(self._folder),
        )
        self._gateway = GatewayService(self._reactor, config, lambda line: None)
        self._gateway.startService()
        await self._gateway.started
        agent = AgentConfig(
            gateway=Address("localhost", self._gateway.agentPort),
            tunnels=(TunnelConfig(NAME, parseBackend(backend)),),
            state=str(self._folder),
        )
        self._agent = makeAgent(self._reactor, agent, _Reporter(self._folder / "ca.pem"))
        self._agent.done.addCallback(self._ended)
        self._agent.startService()

    def _failed(self, failure: Any) -> None:
        self.status = 1
        if failure.check(DiglettError):
            print(f"diglett: {failure.value}", file=sys.stderr)
        else:
            failure.printTraceback(sys.stderr)
        self._reactor.stop()

    def _ended(self, error: DiglettError | None) -> None:
        if error is not None:
            print(f"diglett: {error}", file=sys.stderr)
            self.status = 1
            self._reactor.stop()

    async def _stop(self) -> None:
        if self._agent is not None:
            await self._agent.stopService()
        if self._gateway is not None:
            await self._gateway.stopService()
        if self._site is not None:
            await self._site.stopListening()

    def stop(self) -> Any:
        """Let running streams finish, in the order in which they came: agent, gateway, site."""
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(self._stop())


class _Reporter:
    """Says what to do with the URL."""

    def __init__(self, ca: Path) -> None:
        self._ca = ca

    def up(self, lines: Any, again: bool) -> None:
        if again:
            print("connected again", flush=True)
            return
        url = lines[0][0]
        shown = os.path.relpath(self._ca) if self._ca.is_relative_to(Path.cwd()) else str(self._ca)
        print(f"\n  {url}\n")
        print("Open it in a browser (which does not know this certificate's authority and says so), or:\n")
        print(f"  curl --cacert {shown} {url}/\n")
        print("gateway, agent and sample site run in this process; Ctrl-C ends them", flush=True)

    def retrying(self, error: DiglettError, delay: float) -> None:
        print(f"diglett: {error}; trying again", file=sys.stderr)

    def lost(self, error: DiglettError) -> None:
        print(f"diglett: lost the gateway: {error}; reconnecting", file=sys.stderr)

    def moving(self) -> None:
        """The gateway of this very process is stopping: so are we."""


def _endpoint(scheme: str, port: int | None) -> str:
    """The port asked for, the usual one when it is free, or any."""
    if port is None:
        port = _USUAL[scheme]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                port = 0
    return f"tcp:{port}:interface=127.0.0.1"
