"""What the agent logs, and where: nothing but trouble unless asked for more, always to stderr."""

from __future__ import annotations

import sys
from typing import Any


def startLogging(debug: int, format: str) -> None:
    """Begin to log. `debug`: 0 warnings, 1 what happens to links, 2 everything."""
    from twisted.logger import (
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        globalLogBeginner,
        textFileLogObserver,
    )

    from diglett.eventlog import jsonObserver

    level = (LogLevel.warn, LogLevel.info, LogLevel.debug)[debug]
    observer: Any = jsonObserver(sys.stderr) if format == "json" else textFileLogObserver(sys.stderr)
    predicate = LogLevelFilterPredicate(defaultLogLevel=level)
    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(observer, [predicate])], redirectStandardIO=False, discardBuffer=True
    )
