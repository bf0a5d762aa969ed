"""`exec:PROGRAM`: a program is run for each name that comes or goes, with JSON on its standard input."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import DeferredSemaphore
from zope.interface import implementer

from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IRegistrar
from diglett.registrar import routing
from diglett.registrar.notices import KINDS, notice, refusalIn, urlsIn
from diglett.registrar.routing import Lease, Routing, seconds
from diglett.registrar.running import run, splitCommand

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

_AT_ONCE = 4
"""Programs that run at the same time."""


def create(argument: str, context: PluginContext) -> Program:
    """`PROGRAM ARGUMENT...[,timeout=SECONDS][,url=URL][,probe=URL]`; quotes work, but there is no shell."""
    command, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, "timeout")))
    if not command:
        raise UsageError("exec needs a program: exec:/usr/local/bin/publish")
    return Program(
        splitCommand(command), Routing.parse(options, context, "none"), context, seconds(options, "timeout", 20.0)
    )


@implementer(IRegistrar)
class Program:
    """Status 0 is success. Any other fails; what is written to standard error goes to the operator."""

    def __init__(self, command: list[str], way: Routing, context: PluginContext, timeout: float) -> None:
        self._command = command
        self._way = way
        self._context = context
        self._timeout = timeout
        self._turn = DeferredSemaphore(_AT_ONCE)

    async def start(self) -> None:
        """Let it remove what a crashed predecessor left."""
        if shutil.which(self._command[0]) is None:
            raise UsageError(f"exec: there is no program {self._command[0]}")
        await self._run("start", None)

    def stop(self) -> None:
        """Nothing is left to do: every name was withdrawn."""

    async def publish(self, registration: Registration) -> Lease:
        """Run it; URLs it answers with are those of the lease."""
        urls: list[str] = []

        async def do() -> None:
            urls.extend(urlsIn(await self._run("publish", registration)))

        async def undo() -> None:
            await self._run("withdraw", registration)

        lease = await self._way.publish(registration, KINDS, do, undo)
        return Lease((*urls, *lease.urls), undo)

    async def _run(self, event: str, registration: Registration | None) -> bytes:
        document = json.dumps(notice(event, self._context, registration)).encode()
        outcome: Any = await self._turn.run(run, self._context.reactor, self._command, document, self._timeout)
        if outcome.status != 0 and event == "publish":
            refusal = refusalIn(outcome.output)
            if refusal is not None:
                raise refusal
        return bytes(outcome.check(self._command[0]).output)
