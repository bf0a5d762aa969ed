"""From a visitor through the public URL to this agent: a marker that comes out at our end proves the way."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from diglett.agent.doctor.asking import Answer, Asking, NoHttp
from diglett.agent.doctor.findings import Findings, Published
from diglett.agent.doctor.gateway import PATIENCE, Resolve
from diglett.agent.doctor.visitor import VisitorTrust
from diglett.agent.securing import TLSFailed, secure
from diglett.config.agent import AgentConfig
from diglett.link.link import reasonOf
from diglett.names import isLoopback
from diglett.plane.channel import Channel, Target

PATH = "/.well-known/diglett-doctor/"
SETTLING = 5.0
"""Seconds that a proxy has until it routes a name that was published just now."""
AGAIN = 0.5
URLS_MAX = 4
"""URLs of one name that are tried."""


class Sighting(Protocol):
    """A visitor that is waited for at the agent's end."""

    def seen(self) -> Deferred[bool]:
        """Whether it came in the time it had."""

    def cancel(self) -> None:
        """It is not coming."""


Expect = Callable[[Published, bytes, bytes, float], "Deferred[Sighting]"]
"""Wait at the agent's end for a visitor that says this first, and answer; for so many seconds."""


@frozen
class Unreachable(Exception):
    """There is no way to the public front."""

    said: str
    advice: str
    code: str


@frozen
class Visitors:
    """Sends test visitors to published names."""

    findings: Findings
    plane: Any
    config: AgentConfig
    localCa: Path
    resolve: Resolve
    expect: Expect

    async def visit(self, published: Published) -> None:
        """Try its URLs."""
        if not published.urls:
            self.findings.skipped("public", published.name, "the gateway has told no URL")
        for url in published.urls[:URLS_MAX]:
            try:
                await self._try(published, url)
            except Unreachable as error:
                self.findings.failed("public", url, error.said, error.advice, error.code)

    async def _try(self, published: Published, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https", "tcp") or not host:
            self.findings.skipped("public", url, "no URL that could be tried")
        elif parts.scheme == "tcp":
            await self._tcp(published, url, host, parts.port or 0)
        elif published.type == "tls":
            await self._tls(published, url, host, parts.port or 443)
        else:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            await self._http(published, url, host, port, parts.netloc, parts.scheme == "https")

    # ---- names of type tcp and tls -------------------------------------------------------------------------------

    async def _tcp(self, published: Published, url: str, host: str, port: int) -> None:
        if isLoopback(host) and not isLoopback(self.config.gateway.host):
            self.findings.skipped("public", url, "is on the gateway's own machine, behind whatever publishes it there")
            return
        if published.held is not None:
            (await self._connect(host, port)).close()
            self.findings.ok("public", url, "takes connections")
            return
        marker = secrets.token_hex(16).encode()
        # Expected before it connects: its stream may begin before it has said anything.
        sighting = await self.expect(published, marker, b"", PATIENCE)
        channel = await self._connect(host, port, sighting)
        channel.owner = _Deaf()
        channel.write((marker + b"\n",), len(marker) + 1)
        self._tellSeen(url, await sighting.seen())
        channel.abort()

    async def _tls(self, published: Published, url: str, host: str, port: int) -> None:
        trust = VisitorTrust(host)
        connection = trust.connection()
        try:
            connection.do_handshake()
        except Exception:  # it wants to read, and has said hello
            pass
        sighting = await self.expect(published, connection.client_random() or b"", b"", PATIENCE)
        channel = await self._connect(host, port, sighting)
        shaking = secure(self.plane, channel, trust, connection)
        shaking.addCallbacks(lambda tls: tls.abort(), lambda failure: None)  # it was about the hello alone
        self._tellSeen(url, await sighting.seen())
        shaking.cancel()

    def _tellSeen(self, url: str, seen: bool) -> None:
        if seen:
            self.findings.ok("public", url, "leads to this agent")
        else:
            said = "takes connections, which do not come to this agent"
            advice = "something else listens there: see where the public name and the proxy lead"
            self.findings.failed("public", url, said, advice, "elsewhere")

    # ---- names of type http --------------------------------------------------------------------------------------

    async def _http(self, published: Published, url: str, host: str, port: int, shown: str, https: bool) -> None:
        clock = self.plane.clock
        end = clock.seconds() + SETTLING
        while True:
            said = secrets.token_hex(16)
            path = PATH + secrets.token_hex(16)
            since = clock.seconds()
            sighting = await self.expect(published, f" {path} ".encode(), _answer(said), PATIENCE)
            try:
                channel, distrust = await self._front(host, port, https)
                answer = await Asking(clock, channel, shown, path, PATIENCE).done
            except Unreachable:
                sighting.cancel()
                raise
            except NoHttp as error:
                sighting.cancel()
                raise Unreachable(
                    f"no answer: {error}", "does a web server listen there, and with TLS just if it is https?", "silent"
                ) from None
            took = clock.seconds() - since
            arrived = answer.body.strip() == said.encode()
            if not arrived:
                sighting.cancel()
                if published.held is None and clock.seconds() < end and not _isLogin(answer):
                    await deferLater(clock, AGAIN)
                    continue
            self._tellHttp(published, url, answer, arrived, distrust, took)
            return

    async def _front(self, host: str, port: int, https: bool) -> tuple[Channel, str]:
        """A connection to the front, and what a browser has against it."""
        channel = await self._connect(host, port)
        if not https:
            return channel, ""
        try:
            return await secure(self.plane, channel, VisitorTrust(host)), ""
        except TLSFailed as error:
            distrust = str(error)
        config = self.config
        known = VisitorTrust(host, ca=config.ca, pins=config.pins, localCa=self.localCa)
        try:
            return await secure(self.plane, await self._connect(host, port), known), distrust
        except TLSFailed:
            raise Unreachable(
                f"TLS failed: {distrust}",
                f"the front needs a certificate for {host} (or *.{host.partition('.')[2]}) that browsers believe",
                "public-not-trusted",
            ) from None

    async def _connect(self, host: str, port: int, sighting: Sighting | None = None) -> Channel:
        """A connection, by the visitor who is waited for."""
        try:
            return await self._dial(host, port)
        except Unreachable:
            if sighting is not None:
                sighting.cancel()
            raise

    async def _dial(self, host: str, port: int) -> Channel:
        try:
            await self.resolve(host, port).addTimeout(PATIENCE, self.plane.clock)
        except Exception as error:
            domain = host.partition(".")[2]
            raise Unreachable(
                reasonOf(error) or "its name was not resolved in time",
                f"make a DNS record for {host}, or for all names (*.{domain}), that leads to the gateway or its proxy",
                "public-dns",
            ) from None
        try:
            channel: Channel = await self.plane.connect(Target(host=host, port=port), PATIENCE)
        except Exception as error:
            raise Unreachable(
                f"cannot reach {Target(host=host, port=port)}: {reasonOf(error)}",
                "does the public name lead to the gateway or its proxy, and does a firewall let visitors through?",
                "public-tcp",
            ) from None
        return channel

    def _tellHttp(
        self, published: Published, url: str, answer: Answer, arrived: bool, distrust: str, took: float
    ) -> None:
        findings = self.findings
        if arrived and distrust:
            advice = "good enough to try it out; visitors need a front with a certificate that browsers believe"
            said = f"leads to this agent, but browsers will warn: {distrust}"
            findings.warning("public", url, said, advice, "public-not-trusted")
        elif arrived:
            findings.ok("public", url, f"leads to this agent ({took * 1000:.1f} ms)")
        elif _isLogin(answer):
            said = f"answers {answer.status}{answer.server}: a login is in front of it, which cannot be seen through"
            findings.warning("public", url, said, code="login")
        elif answer.status in (301, 302, 303, 307, 308) and answer.header("location").startswith("https://"):
            findings.ok("public", url, f"leads to {answer.header('location').partition(PATH)[0]}")
        elif (problem := _problem(answer)) is not None:
            findings.failed("public", url, f"a gateway answers: {problem[1]}", _GATEWAYS, problem[0])
        elif published.busy:
            said = f"answers {answer.status}{answer.server}; it cannot be seen whether this agent was asked"
            advice = "a proxy may have used a connection that it keeps: try again when there are no visitors"
            findings.warning("public", url, said, advice, "unclear")
        else:
            said = f"another server answers: {answer.status}{answer.server}"
            advice = "the public name, or the proxy behind it, leads somewhere else: see where"
            findings.failed("public", url, said, advice, "elsewhere")



_GATEWAYS = "is it the gateway of this agent that the public name leads to? Its log tells who comes and goes"


class _Deaf:
    """Owner of a connection that only speaks."""

    def readable(self) -> None: ...

    def drained(self, size: int) -> None: ...

    def broken(self, error: Exception) -> None: ...


def _answer(said: str) -> bytes:
    """What the agent's end says to the test visitor."""
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(said)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n\r\n{said}"
    ).encode()


def _isLogin(answer: Answer) -> bool:
    return answer.status in (401, 403, 407)


def _problem(answer: Answer) -> tuple[str, str] | None:
    """Code and words of a gateway's own answer."""
    try:
        error = json.loads(answer.body)["error"]
        code, message = str(error["code"])[:64], str(error["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return None
    return (code, message) if (code + message).isprintable() else None
