"""`diglett doctor`, once its words are read."""

from __future__ import annotations

import json
import sys
from typing import Any

from diglett.agent.doctor.findings import Finding, Findings
from diglett.agent.doctor.show import lines, verdict
from diglett.config.options import DoctorOptions

INTERRUPTED = 130
"""What shells say of a program that was ended by Ctrl-C."""


def run(options: DoctorOptions) -> int:
    """Examine, show what is found; the exit status: 0 all is well, 1 something is not, 3 refused for good."""
    from twisted.internet import reactor

    from diglett.agent.logging import startLogging

    clock: Any = reactor
    startLogging(options.agent.debug, options.agent.logFormat)
    findings = Findings((lambda finding: None) if options.json else _show)
    done: list[object] = []
    running = examine(reactor, options, findings)

    def over(result: object) -> None:
        done.append(result)
        if clock.running:
            clock.stop()
        else:
            clock.callWhenRunning(clock.stop)

    running.addBoth(over)
    if not done or not clock.running:
        clock.run()
    if not done:
        return INTERRUPTED
    if hasattr(done[0], "raiseException"):
        done[0].raiseException()  # a mistake in the configuration, or a bug
    if options.json:
        print(json.dumps(findings.asJson(), indent=2))
    else:
        print(verdict(findings.all))
    return findings.status


def examine(reactor: Any, options: DoctorOptions, findings: Findings) -> Any:
    """A Deferred that fires when all has been looked at, and everything is let go. Raises UsageError."""
    from twisted.internet.defer import Deferred
    from twisted.internet.threads import deferToThread

    from diglett.agent.doctor.examination import Examination
    from diglett.agent.parts import makeParts
    from diglett.agent.status.asking import ask, askAll
    from diglett.agent.status.sockets import NoSockets
    from diglett.plane.resolve import resolve

    parts = makeParts(reactor, options.agent)

    async def work() -> None:
        try:
            agents = await deferToThread(askAll, parts.state)
        except NoSockets:
            agents = []
        examination = Examination(
            parts,
            options.agent,
            findings,
            lambda host, port: resolve(reactor, host, port),
            agents,
            lambda path, question, seconds: deferToThread(ask, path, question, seconds),
        )
        try:
            await examination.run()
        finally:
            await parts.plane.close()

    return Deferred.fromCoroutine(work())


def _show(finding: Finding) -> None:
    print("\n".join(lines(finding)), flush=True)
    sys.stdout.flush()
