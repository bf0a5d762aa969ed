"""The gateway as a daemon: `twistd diglett-server`."""

from __future__ import annotations

import os
import signal

from tests.integration.services import nginx
from tests.integration.tunnel import LOOPBACK, TunnelTestCase


class DaemonTests(TunnelTestCase):
    """Started by twistd in the background, with a pid file and a log file."""

    def begin(self) -> int:
        """Start it, and wait until it is ready; its process id."""
        front = ("--listen", LOOPBACK, "--https", LOOPBACK, "--http", "none")
        words = ("--pidfile", "gateway.pid", "--logfile", "gateway.log", "diglett-server", *front)
        state = str(self.folder / "state")
        starter = self.launchOurs("-c", "from twisted.scripts.twistd import run; run()", *words, DIGLETT_STATE=state)
        self.assertEqual(starter.ended(), 0, str(starter))
        self.until("the gateway is ready", lambda: "connect an agent with" in self.log())
        return int((self.folder / "gateway.pid").read_text())

    def log(self) -> str:
        """Its log, as far as there is one."""
        file = self.folder / "gateway.log"
        return file.read_text() if file.exists() else ""

    def test_daemon(self) -> None:
        """It serves, says in its log what it would say on a terminal (but the token), and leaves nothing behind."""
        pid = self.begin()
        pidFile = self.folder / "gateway.pid"

        def end() -> None:
            if pidFile.exists():
                os.kill(pid, signal.SIGKILL)

        self.addCleanup(end)
        port = self.log().partition("agents connect to localhost:")[2].split()[0]
        agent = self.agent(None, "-g", f"localhost:{port}", "-n", "example", nginx(self))
        agent.waitFor("^https://")
        self.assertIn("registered example.localhost -> 127.0.0.1:", self.log())
        self.assertNotIn((self.folder / "state" / "token").read_text().strip(), self.log())
        self.assertEqual(agent.stop(), 0)
        os.kill(pid, signal.SIGTERM)
        self.until("the pid file is gone", lambda: not pidFile.exists())
        self.assertIn("Server Shut Down.", self.log())
        self.assertNotRegex(self.log(), "Traceback|Unhandled")
