"""
The command `diglett`: reads its words, then lets the agent or the demo run.

Nothing heavy is imported before it is known what to do, so that `--help` and
usage errors come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diglett.arguments import parseAgent, parseDemo, parseDoctor, parseStatus
from diglett.errors import UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status (0 stopped, 1 given up, 2 usage, 3 refused, 4 no agent to ask)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        command = _COMMANDS.get(words[0]) if words else None
        return _agent(words) if command is None else command(words[1:])
    except UsageError as error:
        print(f"diglett: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the reactor took over
        return 0


def _agent(words: Sequence[str]) -> int:
    """Run the agent until it is asked to stop."""
    config = parseAgent(words)
    for warning in config.warnings:
        print(f"diglett: warning: {warning}", file=sys.stderr)
    from diglett.agent.command import run

    return run(config)


def _demo(words: Sequence[str]) -> int:
    """Run gateway, agent and sample site in this process."""
    options = parseDemo(words)
    from diglett.demo import run

    return run(options)


def _doctor(words: Sequence[str]) -> int:
    """Check the way that an agent with these words would take."""
    options = parseDoctor(words)
    for warning in options.agent.warnings:
        print(f"diglett: warning: {warning}", file=sys.stderr)
    from diglett.agent.doctor.command import run

    return run(options)


def _status(words: Sequence[str]) -> int:
    """Show how the running agents are."""
    options = parseStatus(words)
    from diglett.agent.status.command import run

    return run(options)


_COMMANDS = {"demo": _demo, "doctor": _doctor, "status": _status}
