"""Where the gateway's lines of JSON go."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.application.service import Application, IService, IServiceCollection, Service
from twisted.logger import ILogObserver, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.twistdlog import loggedAsJson


class DestinationTests(SynchronousTestCase):
    """`loggedAsJson`, in an application as twistd makes one."""

    def observer(self, **twistd: Any) -> Any:
        """What the application's log goes to."""
        application = Application("test")
        self.service = Service()
        loggedAsJson(self.service, twistd).setServiceParent(application)  # type: ignore[arg-type]
        return application.getComponent(ILogObserver, None)

    def say(self, observer: Any) -> None:
        """Log something."""
        observer({"log_format": "hello", "log_level": LogLevel.info, "log_time": 0.0, "event": "notice"})

    def test_terminal(self) -> None:
        """In the foreground it is stdout."""
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        self.say(self.observer(nodaemon=True))
        self.say(self.observer(nodaemon=True, logfile="-"))
        self.assertEqual([json.loads(line)["message"] for line in out.getvalue().splitlines()], ["hello"] * 2)

    def test_file(self) -> None:
        """A log file is written to, and rotates as twistd's does."""
        path = Path(self.mktemp()).absolute()
        self.say(self.observer(logfile=str(path)))
        self.assertEqual(json.loads(path.read_text())["event"], "notice")

    def test_syslog(self) -> None:
        """Each line is one message of syslog's."""
        said: list[str] = []
        with mock.patch.multiple("syslog", openlog=mock.DEFAULT, syslog=said.append) as patched:
            self.say(self.observer(syslog=True, prefix="diglett"))
        self.assertEqual(patched["openlog"].call_args[0][0], "diglett")
        self.assertEqual([json.loads(line)["message"] for line in said], ["hello"])

    def test_ownLogger(self) -> None:
        """An observer that was given to twistd gets the events, and nobody writes lines beside it."""
        self.assertIsNone(self.observer(logger=lambda: None))

    def test_daemonWithoutFile(self) -> None:
        """A daemon has no stdout: told before it becomes one."""
        self.assertRaises(UsageError, self.observer, logfile="-")

    def test_service(self) -> None:
        """The gateway starts and stops with the application."""
        application = Application("test")
        service = Service()
        logged = loggedAsJson(service, {"nodaemon": True})
        logged.setServiceParent(application)  # type: ignore[arg-type]
        self.assertTrue(IService.providedBy(logged))
        IServiceCollection(application).startService()
        self.assertTrue(service.running)
        IServiceCollection(application).stopService()
        self.assertFalse(service.running)
