"""
The gateway's log as lines of JSON, wherever twistd was told to put it.

twistd itself knows one form of lines only. What it takes as an observer of the
application comes before its own, and after one that was chosen by `--logger`,
which sees the events as they are, fields and all.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver
from twisted.python.components import Componentized

from diglett.errors import UsageError
from diglett.eventlog import jsonObserver


def loggedAsJson(service: Any, twistd: Mapping[str, Any] | None) -> IService:
    """The service; the application it is put in logs as JSON where `twistd`'s own options say.

    Raises UsageError: they say what cannot be.
    """
    twistd = twistd or {"nodaemon": True}
    if twistd.get("logfile") == "-" and not twistd.get("nodaemon"):
        raise UsageError("a daemon cannot log to stdout: give --logfile FILE, or --nodaemon")
    logged: IService = _Logged(service, twistd)
    return logged


class _Logged(MultiService):
    def __init__(self, service: Any, twistd: Mapping[str, Any]) -> None:
        super().__init__()
        self._twistd = twistd
        service.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Hear which application this is."""
        if isinstance(parent, Componentized) and not self._twistd.get("logger"):
            parent.setComponent(ILogObserver, jsonObserver(_destination(self._twistd)))
        super().setServiceParent(parent)


def _destination(twistd: Mapping[str, Any]) -> Any:
    """Where twistd would write."""
    if twistd.get("syslog"):
        return _Syslog(twistd.get("prefix") or "")
    path = twistd.get("logfile")
    if path == "-" or (not path and twistd.get("nodaemon")):
        return sys.stdout
    from twisted.python.logfile import LogFile

    file = LogFile.fromFullPath(path or "twistd.log")
    _rotateOnSignal(file)
    return file


def _rotateOnSignal(file: Any) -> None:
    """SIGUSR1 begins a new file, as it does for twistd's own."""
    number = getattr(signal, "SIGUSR1", None)
    if number is None or signal.getsignal(number):
        return

    def rotate(number: int, frame: Any) -> None:
        from twisted.internet import reactor

        clock: Any = reactor
        clock.callFromThread(file.rotate)

    signal.signal(number, rotate)


class _Syslog:
    """As much of a file as an observer needs; each line is one message."""

    def __init__(self, prefix: str) -> None:
        import syslog

        syslog.openlog(prefix, 0, syslog.LOG_USER)
        self._say = syslog.syslog

    def write(self, line: str) -> None:
        """One line, with its end."""
        self._say(line.rstrip("\n"))

    def flush(self) -> None:
        """It went at once."""
