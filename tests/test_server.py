"""Tests of the command `diglett-server`."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from twisted.scripts import twistd
from twisted.trial.unittest import SynchronousTestCase

from diglett import server
from diglett.auth import commands


class MainTests(SynchronousTestCase):
    """Which program runs, and how."""

    def test_gateway(self) -> None:
        """The gateway runs under twistd, in the foreground and without a pid file."""
        ran: list[Any] = []
        self.patch(twistd, "runApp", ran.append)
        self.assertEqual(server.main(["--domain", "gateway.com"]), 0)
        (options,) = ran
        self.assertTrue(options["nodaemon"])
        if os.name == "posix":
            self.assertEqual(options["pidfile"], "")
        self.assertEqual(options.subCommand, "diglett-server")
        self.assertEqual(options.subOptions.config.domain, "gateway.com")

    def test_usage(self) -> None:
        """A mistake ends it before anything runs."""
        self.patch(twistd, "runApp", self.fail)
        with redirect_stderr(io.StringIO()):
            stop = self.assertRaises(SystemExit, server.main, ["--nonsense"])
        self.assertEqual(stop.code, 2)

    def test_help(self) -> None:
        """`--help` shows both ways to start a gateway."""
        out = io.StringIO()
        with redirect_stdout(out):
            stop = self.assertRaises(SystemExit, server.main, ["--help"])
        self.assertIn(stop.code, (0, None))
        self.assertIn("Usage: diglett-server [options]\n", out.getvalue())
        self.assertIn("twistd [twistd's options] diglett-server", out.getvalue())

    def test_token(self) -> None:
        """`token` hands its words to the tokens file's own command."""
        given: list[Any] = []

        def tokenMain(words: Any) -> int:
            given.append(words)
            return 7

        self.patch(commands, "main", tokenMain)
        self.assertEqual(server.main(["token", "add", "me"]), 7)
        self.assertEqual(given, [["add", "me"]])
