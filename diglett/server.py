"""
The command `diglett-server`: the gateway in the foreground, or its tokens.

`diglett-server [options]` is `twistd -n diglett-server [options]` without a
pid file in the current folder; for daemons, users and log files use twistd.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["token"]:
        from diglett.auth.commands import main as tokenMain

        return tokenMain(words[1:])
    _nameSockets()
    from twisted.scripts import twistd

    options = twistd.ServerOptions()
    ours = ["--nodaemon"] + (["--pidfile="] if os.name == "posix" else [])
    options.parseOptions([*ours, "diglett-server", *words])
    twistd.runApp(options)
    return 0


def _nameSockets() -> None:
    """
    Give listening sockets that were passed without names the one that they have then by sd_listen_fds(3).

    Twisted looks once, when it is imported, and ignores those without.
    """
    count = os.environ.get("LISTEN_FDS", "")
    if count.isdigit() and "LISTEN_FDNAMES" not in os.environ:
        os.environ["LISTEN_FDNAMES"] = ":".join(["unknown"] * int(count))
