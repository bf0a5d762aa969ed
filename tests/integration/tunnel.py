"""A gateway and agents as people start them: two commands, nothing but their output to go by."""

from __future__ import annotations

import json
import re
import socket
import ssl
import urllib.request
from pathlib import Path

from tests.integration.components import LIMIT
from tests.integration.harness import ProcessTestCase, Program

LOOPBACK = "tcp:0:interface=127.0.0.1"
SERVER = "import sys; from diglett.server import main; sys.exit(main())"


class Gateway:
    """A gateway that is ready. `https`, `http` and `agents` are its ports."""

    def __init__(self, program: Program, state: Path, domain: str) -> None:
        self.program = program
        self.state = state
        self.domain = domain
        self.agents = self._port(r"agents connect to \S+:(\d+)$")
        self.https = self._port(r"served at https://\S+?:(\d+)$")
        self.http = self._port(r"served at http://\S+?:(\d+)$")
        self.fingerprint = program.waitFor(r"fingerprint (sha256:\S+)$")[1]
        program.waitFor(r"^    diglett -g .*$")
        self._served()

    def _served(self) -> None:
        """The sockets listen before anybody serves them, and before SIGTERM means what it means later."""
        with socket.create_connection(("127.0.0.1", self.http), LIMIT) as visitor:
            visitor.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if not visitor.recv(1000).startswith(b"HTTP/1."):
                raise AssertionError(f"it does not answer:\n{self.program}")

    def _port(self, pattern: str) -> int:
        return int(self.program.waitFor(pattern)[1])

    @property
    def ca(self) -> Path:
        """The local CA's certificate."""
        return self.state / "ca.pem"

    @property
    def address(self) -> str:
        """What an agent is told with -g."""
        return f"localhost:{self.agents}"

    def context(self) -> ssl.SSLContext:
        """TLS of a visitor who trusts the local CA and nobody else."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.set_alpn_protocols(["http/1.1"])
        return context

    def listeningPort(self, name: str, times: int = 1) -> int:
        """Where this name's own port is, as the default registrar logs it."""
        fqdn = re.escape(f"{name}.{self.domain}")
        return int(self.program.waitFor(rf"registered {fqdn} -> 127\.0\.0\.1:(\d+)", times)[1])

    def streams(self) -> int:
        """How many streams are running, as the admin pages tell."""
        place = self.program.waitFor(r"admin pages are at (\S+)$")[1]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{place}api/status", timeout=LIMIT) as answer:
            return sum(agent["streams"] for agent in json.load(answer)["agents"])

    def url(self, name: str, path: str = "/", scheme: str = "https") -> str:
        """A URL at one of the fronts."""
        return f"{scheme}://{name}.{self.domain}:{getattr(self, scheme)}{path}"


class TunnelTestCase(ProcessTestCase):
    """Tests that stand in front of and behind a tunnel."""

    def gateway(
        self,
        *options: str | Path,
        state: str = "state",
        domain: str = "localhost",
        ports: tuple[str, ...] = (),
        **environment: str,
    ) -> Gateway:
        """Start a gateway on free ports of loopback. `ports` is where to listen for agents, https and http instead."""
        listen, https, http = ports or (LOOPBACK,) * 3
        folder = self.folder / state
        program = self.launchServer(
            "--listen", listen, "--https", https, "--http", http, "--domain", domain, *options, state=state,
            **environment,
        )  # fmt: skip
        return Gateway(program, folder, domain)

    def launchServer(self, *words: str | Path, state: str = "state", **environment: str) -> Program:
        """Run `diglett-server`."""
        return self.launchOurs("-c", SERVER, *words, DIGLETT_STATE=str(self.folder / state), **environment)

    def agent(self, gateway: Gateway | None, *words: str | Path, state: str = "state", **environment: str) -> Program:
        """Start an agent, by default as the gateway's own user; with another `state` it knows nothing of it."""
        environment["DIGLETT_STATE"] = str(self.folder / state)
        address = () if gateway is None else ("-g", gateway.address)
        return self.launchOurs("-m", "diglett", *address, *words, **environment)

    def tunnel(self, backend: str | int | Path, *options: str | Path, name: str = "example") -> Gateway:
        """Start a gateway and one agent, and wait until the agent says that it is up."""
        gateway = self.gateway()
        self.agent(gateway, *options, "-n", name, str(backend)).waitFor(" -> ")
        return gateway
