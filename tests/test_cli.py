"""Tests of the command `diglett` up to where the agent or the demo take over."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from diglett import cli
from diglett.errors import UsageError


class MainTests(SynchronousTestCase):
    """What is run with what, and the exit status."""

    def setUp(self) -> None:
        """Stand in for what runs until it is asked to stop."""
        self.ran: list[Any] = []
        self.outcome: Any = 0
        for name in ("diglett.agent.command", "diglett.demo"):
            module = ModuleType(name)
            module.run = self.started  # type: ignore[attr-defined]
            replaced = mock.patch.dict(sys.modules, {name: module})
            replaced.start()
            self.addCleanup(replaced.stop)

    def started(self, config: Any) -> int:
        """Remember what was to be run."""
        self.ran.append(config)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return int(self.outcome)

    def main(self, line: str) -> tuple[int, str]:
        """Run a command line; give its status and what it said on stderr."""
        err = io.StringIO()
        with redirect_stderr(err):
            status = cli.main(line.split())
        return status, err.getvalue()

    def test_agent(self) -> None:
        """The agent is run with what the words say, and its status is the command's."""
        self.outcome = 3
        self.assertEqual(self.main("-g gateway.com -n example 9000"), (3, ""))
        self.assertEqual([t.name for t in self.ran[0].tunnels], ["example"])

    def test_demo(self) -> None:
        """`demo` as the first word is the demonstration."""
        self.assertEqual(self.main("demo --port 1234"), (0, ""))
        self.assertEqual(self.ran[0].httpsPort, 1234)

    def test_warning(self) -> None:
        """Warnings are printed before the start, without the token."""
        status, err = self.main("-g gateway.com -t s3cret 9000")
        self.assertEqual(status, 0)
        self.assertTrue(err.startswith("diglett: warning: "))
        self.assertNotIn("s3cret", err)

    def test_usage(self) -> None:
        """Wrong usage is one line and status 2, whoever finds it."""
        status, err = self.main("--nonsense")
        self.assertEqual((status, err.count("\n")), (2, 1))
        self.assertTrue(err.startswith("diglett: there is no option --nonsense"))
        self.assertEqual(self.ran, [])
        self.outcome = UsageError("the pin is no pin")
        self.assertEqual(self.main("-g g --pin x 1"), (2, "diglett: the pin is no pin\n"))

    def test_interrupted(self) -> None:
        """Ctrl-C before the reactor runs is a wish to stop, not a traceback."""
        self.outcome = KeyboardInterrupt()
        self.assertEqual(self.main("demo"), (0, ""))

    def test_ownWords(self) -> None:
        """Without words given, those of the process are read."""
        self.patch(sys, "argv", ["diglett", "--version"])
        with redirect_stdout(io.StringIO()):
            self.assertEqual(self.assertRaises(SystemExit, cli.main).code, 0)
