"""
Events as lines of JSON: each has a time, a level, a name that does not change, and fields.

Whoever logs gives the name as the field `event`, and what it is about as
others: `log.info("{peer}: …", event="link-down", peer=…)`. A field whose name
begins with `_` is for the words alone. What comes without a name (Twisted's own lines) is called `log`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TextIO

from twisted.logger import FileLogObserver, ILogObserver, formatEvent

_TOKEN = re.compile(r"\bdig_[A-Za-z0-9_-]{8,}")
"""What our own tokens look like: nobody logs one, and if somebody did, it would end here."""
LONGEST = 2_000
"""Characters of a field that are kept."""


def jsonObserver(out: TextIO) -> ILogObserver:
    """Writes each event of Twisted's log as one line."""
    observer: ILogObserver = FileLogObserver(out, jsonLine)
    return observer


def jsonLine(event: Mapping[str, Any]) -> str:
    """One line, with its end."""
    line = {
        "time": timestamp(event.get("log_time")),
        "level": getattr(event.get("log_level"), "name", "info"),
        "event": event.get("event") or ("failure" if "log_failure" in event else "log"),
    }
    if "event" in event:
        line.update((key, _plain(value)) for key, value in event.items() if _isField(key, value))
    line["message"] = _plain(formatEvent(dict(event)))
    if "log_failure" in event:
        line["trace"] = withoutTokens(event["log_failure"].getTraceback())
    # ASCII: there are more characters that end a line than most readers know.
    return json.dumps(line, default=str) + "\n"


def timestamp(seconds: float | None = None) -> str:
    """A time (seconds since the epoch; None for now) as ISO 8601 in UTC, with milliseconds."""
    when = datetime.now(timezone.utc) if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    return when.isoformat(timespec="milliseconds")


def withoutTokens(text: str) -> str:
    """A text in which no token of ours stands."""
    return _TOKEN.sub("(token)", text)


_NONE = {"event", "format", "isError", "message", "system", "time"}
"""What Twisted adds for programs of twenty years ago."""


def _isField(key: str, value: Any) -> bool:
    return not key.startswith(("log_", "_")) and key not in _NONE and value is not None


def _plain(value: Any) -> Any:
    """A value as JSON has it, with nothing in it that must not be told."""
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    return withoutTokens(str(value))[:LONGEST]
