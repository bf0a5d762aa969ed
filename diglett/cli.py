"""
The command `diglett`: reads its words, then lets the agent or the demo run.

Nothing heavy is imported before it is known what to do, so that `--help` and
usage errors come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diglett.arguments import parseAgent, parseDemo
from diglett.errors import UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status (0 stopped, 1 given up, 2 usage, 3 refused)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _demo(words[1:]) if words[:1] == ["demo"] else _agent(words)
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
