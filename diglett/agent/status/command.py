"""`diglett status`: how the running agents of this user are; the exit status tells it, too."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from diglett.agent.status.asking import askAll
from diglett.agent.status.show import describe
from diglett.agent.status.sockets import NoSockets, checkSockets
from diglett.config.options import StatusOptions
from diglett.state import stateFolder

NOT_WELL = 1
NONE_RUNS = 4


def run(options: StatusOptions, out: TextIO | None = None) -> int:
    """Show it. 0: all are connected and reach their backends; 1: not so; 4: no agent runs."""
    out = out or sys.stdout
    try:
        checkSockets()
    except NoSockets as error:
        print(f"diglett: {error}", file=sys.stderr)
        return NOT_WELL
    state = stateFolder(options.state)
    agents = askAll(state)
    if options.json:
        said = [told.answer or {"pid": told.pid, "state": "not-answering", "ok": False} for told in agents]
        print(json.dumps({"agents": said}, indent=2), file=out)
    elif agents:
        for told in agents:
            print("\n".join(describe(told.pid, told.answer)), file=out)
    else:
        print(f"no agent of yours is running (with the state folder {state})", file=out)
    if not agents:
        return NONE_RUNS
    return 0 if all(told.answer is not None and told.answer.get("ok") is True for told in agents) else NOT_WELL
