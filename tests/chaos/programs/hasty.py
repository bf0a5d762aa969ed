"""A gateway that has less patience with silent agents, for tests that must be short: `hasty.py PING DEAD OPTIONS...`.

The command itself has no such option: 10 and 30 seconds are what users have.
"""

from __future__ import annotations

import sys
from functools import partial

from diglett.gateway import agents
from diglett.server import main
from diglett.wire.messages import Established

if __name__ == "__main__":
    keepalive, timeout = map(int, sys.argv[1:3])
    agents.Established = partial(Established, keepalive, timeout)  # type: ignore[assignment, attr-defined]
    sys.exit(main(sys.argv[3:]))
