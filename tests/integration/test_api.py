"""`diglett.expose` and `diglett.connect` in real programs."""

from __future__ import annotations

import signal
import socket
import sys

from tests.documents import example
from tests.integration.components import LIMIT, freePort
from tests.integration.harness import Program
from tests.integration.publishing import (
    ASYNCIO,
    FAILS,
    FORK,
    INTERRUPTED,
    LEAVES_ALONE,
    NO_CLOSE,
    STATES,
    THEIR_THREAD,
    THREADS,
    TWISTED,
    TWO,
    TWO_LINES,
    ApiTestCase,
)


class ProgramTests(ApiTestCase):
    """All kinds of them."""

    def setUp(self) -> None:
        super().setUp()
        self.house = self.gateway()

    def test_twoLines(self) -> None:
        """They print a URL that works, and the name is withdrawn behind them."""
        program = self.program(TWO_LINES)
        url = program.waitFor("^https://.*$")[0]
        self.assertEqual(url + "/", self.house.url("example"))
        self.assertEqual(self.visit(), (200, b"hello from the site\n"))
        program.tell("")
        self.end(program)
        self.gone()

    def test_asyncio(self) -> None:
        """An asyncio program serves and publishes in one process."""
        program = self.program(ASYNCIO)
        program.waitFor("^https://")
        self.assertEqual(self.visit(), (200, b"asyncio"))
        program.tell("")
        program.waitFor("^closed True")
        self.end(program)
        self.gone()

    def test_twisted(self) -> None:
        """A Twisted program does so with its own reactor; `expose` says that it is not for it; SIGTERM withdraws."""
        program = self.program(TWISTED)
        program.waitFor("^https://")
        program.waitFor(r"diglett\.connect\(reactor, \.\.\.\)")
        self.assertEqual(self.visit(), (200, b"twisted"))
        program.send(signal.SIGTERM)
        self.end(program)
        self.gone()

    def test_theirThread(self) -> None:
        """A reactor that the program runs in another thread is used, and its end is the tunnel's."""
        program = self.program(THEIR_THREAD)
        threads = program.waitFor(r"^https://.* \[(.*)\]$")[1]
        self.assertNotIn("diglett", threads)
        self.assertEqual(self.visit()[0], 200)
        program.tell("")
        program.waitFor("^over True")
        program.waitFor("^the reactor cannot be run")
        self.end(program)
        self.gone()

    def test_leavesAlone(self) -> None:
        """Signals, garbage collection, limits, hooks and streams of the program are as they were."""
        program = self.program(LEAVES_ALONE)
        program.waitFor("^https://.* the same: True$")
        self.assertEqual(self.visit()[0], 200)
        program.tell("")
        program.waitFor("^the same: True$")
        program.waitFor(r"^\['MainThread'\]$")
        self.end(program)

    def test_two(self) -> None:
        """Several at once and one after another; a folder is a backend, too."""
        program = self.program(TWO)
        program.waitFor("^https://")
        self.assertEqual(self.visit("one"), (200, b"hello from the site\n"))
        self.assertIn(b"program.py", self.visit("two")[1])
        program.tell("")
        program.waitFor("^one is closed False True")
        self.gone("one")
        self.assertEqual(self.visit("two")[0], 200)
        program.tell("")
        program.waitFor("^then https://")
        self.assertEqual(self.visit("three")[0], 200)
        self.gone("two")
        program.tell("")
        self.end(program)
        self.gone("three")

    def test_threads(self) -> None:
        """Threads that all begin at once share one reactor."""
        program = self.program(THREADS)
        program.waitFor(r"^True\n1\nFalse$")
        self.end(program)

    def test_fork(self) -> None:
        """A forked process can end without harm to the tunnel, and cannot have one of its own."""
        program = self.program(FORK)
        program.waitFor("^this process was forked")
        program.waitFor("^https://.* True")
        self.assertEqual(self.visit()[0], 200)
        program.tell("")
        self.end(program)
        self.gone()

    def test_refused(self) -> None:
        """A wrong token, and a gateway that cannot be verified, are errors that say so."""
        program = self.program(FAILS, options="token='dig_wrong'")
        program.waitFor("^Refused login-refused the gateway does not accept these credentials")
        self.end(program)
        program = self.program(FAILS, options="name='example'", state="elsewhere")
        program.waitFor("^GatewayNotTrusted gateway-not-trusted .*")
        self.end(program)

    def test_status(self) -> None:
        """`diglett status` shows what programs publish, too."""
        program = self.program(TWO_LINES)
        program.waitFor("^https://")
        asked = self.started((sys.executable, "-m", "diglett", "status"), {"DIGLETT_STATE": str(self.folder / "state")})
        self.addCleanup(asked.kill)
        self.assertEqual(asked.ended(), 0)
        self.assertIn("example.localhost", asked.out)
        program.tell("")
        self.end(program)
        self.assertEqual(list((self.folder / "state" / "agents").iterdir()), [])


class EndTests(ApiTestCase):
    """How programs end."""

    def setUp(self) -> None:
        super().setUp()
        self.house = self.gateway()

    def ends(self, end: str, status: int, said: str = "") -> None:
        program = self.program(NO_CLOSE, end=end)
        program.waitFor("^https://")
        self.assertEqual(self.visit()[0], 200)
        program.tell("")
        self.assertEqual(program.ended(5), status)
        self.assertIn(said, program.err)
        self.gone()
        self.assertIn("the agent has left", self.house.program.err + self.house.program.out)

    def test_justEnds(self) -> None:
        """A program that closes nothing withdraws its name when it ends, and ends at once."""
        self.ends("", 0)

    def test_exits(self) -> None:
        """So does one that exits."""
        self.ends("sys.exit(7)", 7)

    def test_terminated(self) -> None:
        """SIGTERM does so as well where the program has the line of `docs/python.md`."""
        line = "import signal; " + example("python.md", "sigterm.py")
        self.ends(line + "signal.raise_signal(signal.SIGTERM)", 0)

    def test_fails(self) -> None:
        """And one that fails, with its own traceback and no other."""
        self.ends("raise ValueError('mine')", 1, "ValueError: mine")

    def test_visitorStays(self) -> None:
        """A visitor whose backend never answers keeps a program from ending for two seconds, not for ever."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.port = silent.getsockname()[1]
            program = self.program(NO_CLOSE, end="")
            program.waitFor("^https://")
            with socket.create_connection(("127.0.0.1", self.house.http), LIMIT) as visitor:
                visitor.sendall(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
                connection, _ = silent.accept()
                with connection:
                    program.tell("")
                    self.gone()
                    self.assertEqual(program.ended(6), 0)
                    self.assertRegex(visitor.recv(100), rb"^HTTP/1.1 50[24] ")

    def test_killed(self) -> None:
        """One that is killed cannot withdraw; the gateway notices at once that its connection is gone."""
        program = self.program(NO_CLOSE, end="")
        program.waitFor("^https://")
        program.send(signal.SIGKILL)
        program.ended()
        self.gone()

    def test_interrupted(self) -> None:
        """Ctrl-C comes to the main program as ever: asleep, or waiting for the tunnel."""
        for wait in ("tunnel.wait()", "import time; time.sleep(60)", "input()"):
            program = self.program(INTERRUPTED, wait=wait)
            program.waitFor("^https://")
            program.send(signal.SIGINT)
            program.waitFor("^interrupted")
            self.end(program)
            self.gone()


class OutageTests(ApiTestCase):
    """Gateways that are away."""

    def test_away(self) -> None:
        """Without a gateway the error says after the time-out why it could not be reached."""
        port = freePort()
        program = self.program(FAILS, options=f"gateway='localhost:{port}', timeout=1.5")
        said = program.waitFor("^TimeoutError .*")[0]
        self.assertIn(f"not connected to localhost:{port} within 1.5 s: cannot reach localhost:{port}", said)
        self.assertEqual(program.ended(5), 0)
        self.assertEqual(program.err.count("\n"), 1, program.err)

    def test_interruptedWhileAway(self) -> None:
        """Ctrl-C ends the waiting for a gateway."""
        program = self.program(INTERRUPTED.replace("name=", f"gateway='localhost:{freePort()}', name="), wait="")
        program.waitFor("trying again")
        program.send(signal.SIGINT)
        program.waitFor("^interrupted")
        self.assertEqual(program.ended(5), 0)

    def test_restarted(self) -> None:
        """A gateway restarts: `connected` goes False and True again, and the URL works as before."""
        for plane in ("fast", "portable"):
            ports = tuple(f"tcp:{freePort()}:interface=127.0.0.1" for _ in range(3))
            self.house = self.gateway(ports=ports)
            program = self.program(f"import os\nos.environ['DIGLETT_PLANE'] = '{plane}'\n{STATES}")
            program.waitFor("^https://")
            self.assertEqual(self.visit()[0], 200)
            program.tell("before")
            program.waitFor("^before True")
            self.house.program.stop()
            program.waitFor("lost localhost|trying again|going away")
            program.tell("meanwhile")
            program.waitFor("^meanwhile False")
            self.house = self.gateway(ports=ports)
            self.house.program.waitFor(r"registered example\.localhost")
            self.until("it is connected again", lambda program=program: self.asks(program))
            self.assertEqual(self.visit(), (200, b"hello from the site\n"))
            program.tell("end")
            self.assertEqual(program.ended(5), 0)
            self.gone()
            self.house.program.stop()

    def asks(self, program: Program) -> bool:
        """Whether it says that it is connected."""
        before = program.out.count("again ")
        program.tell("again")
        return program.waitFor("^again (True|False)", before + 1)[1] == "True"
