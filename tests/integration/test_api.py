"""Programs that publish something, as people write them: `diglett.expose` and `diglett.connect`."""

from __future__ import annotations

import importlib.util
import signal
import socket
import sys

from twisted.trial.unittest import SkipTest

from tests.documents import example
from tests.integration.components import LIMIT, REQUIRED, find, freePort
from tests.integration.harness import Program
from tests.integration.services import PROGRAMS
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import curl

TWO_LINES = """
import diglett
with diglett.expose("localhost:{port}", name="example") as tunnel:
    print(tunnel.url, flush=True)
    input()
"""

ASYNCIO = """
import asyncio, sys
import diglett

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 7\\r\\n\\r\\nasyncio")
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    tunnel = await asyncio.to_thread(diglett.expose, port, name="example")
    print(tunnel.url, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.to_thread(tunnel.close)
    print("closed", tunnel.closed, flush=True)

asyncio.run(main())
"""

TWISTED = """
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data
import diglett

async def main(reactor):
    root = Resource()
    root.putChild(b"", Data(b"twisted", "text/plain"))
    port = reactor.listenTCP(0, Site(root), interface="127.0.0.1")
    tunnel = await diglett.connect(reactor, port.getHost().port, name="example")
    print(tunnel.url, flush=True)
    try:
        diglett.expose(9000)
    except RuntimeError as error:
        print(error, flush=True)
    await tunnel.wait()

react(lambda reactor: ensureDeferred(main(reactor)))
"""

THEIR_THREAD = """
import threading
from twisted.internet import reactor
running = threading.Event()
reactor.callWhenRunning(running.set)
threading.Thread(target=reactor.run, kwargs={{"installSignalHandlers": False}}).start()
running.wait()
import diglett
tunnel = diglett.expose({port}, name="example")
print(tunnel.url, [thread.name for thread in threading.enumerate()], flush=True)
input()
reactor.callFromThread(reactor.stop)
print("over", tunnel.wait(20), flush=True)
running = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
for thread in running:
    thread.join(20)
try:
    diglett.expose({port}, name="example")
except RuntimeError as error:
    print(error, flush=True)
"""

LEAVES_ALONE = """
import gc, logging, resource, signal, sys, threading, warnings

def all():
    signals = {{number: signal.getsignal(number) for number in signal.valid_signals()}}
    return (signals, gc.get_freeze_count(), gc.get_threshold(), resource.getrlimit(resource.RLIMIT_NOFILE),
            sys.excepthook, sys.stdout, sys.stderr, warnings.showwarning, logging.getLogger().handlers[:],
            signal.set_wakeup_fd(-1), sys.getswitchinterval())

before = all()
import diglett
with diglett.expose({port}, name="example") as tunnel:
    print(tunnel.url, "the same:", all() == before, flush=True)
    input()
print("the same:", all() == before, flush=True)
print([thread.name for thread in threading.enumerate() if not thread.daemon], flush=True)
"""

STATES = """
import diglett
tunnel = diglett.expose({port}, name="example")
print(tunnel.url, flush=True)
for line in iter(input, "end"):
    print(line, tunnel.connected, flush=True)
"""

NO_CLOSE = """
import diglett, sys
tunnel = diglett.expose({port}, name="example")
print(tunnel.url, flush=True)
input()
{end}
"""

INTERRUPTED = """
import diglett, signal
try:
    tunnel = diglett.expose({port}, name="example", timeout=None)
    print(tunnel.url, flush=True)
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

TWO = """
import diglett
with diglett.expose({port}, name="one") as one, diglett.expose(".", name="two") as two:
    print(one.url, two.url, flush=True)
    input()
    one.close()
    print("one is closed", one.connected, two.connected, flush=True)
    input()
with diglett.expose({port}, name="three") as three:
    print("then", three.url, flush=True)
    input()
"""

FAILS = """
import diglett
from diglett.errors import Refused
try:
    diglett.expose({port}, {options})
except (Refused, TimeoutError) as error:
    print(type(error).__name__, getattr(error, "code", ""), error, flush=True)
"""


SHOP = """
import subprocess

def order(what, webhook):
    options = ["-sSf", "--noproxy", "*", "--cacert", "{ca}", "-d", what + " is paid"]
    subprocess.run(["{curl}", *options, webhook], check=True)
"""

THREADS = """
import diglett, threading
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as threads:
    tunnels = list(threads.map(lambda number: diglett.expose({port}, name=f"name{{number}}"), range(4)))
    print(all(tunnel.connected for tunnel in tunnels), flush=True)
    print([thread.name for thread in threading.enumerate()].count("diglett"), flush=True)
    list(threads.map(lambda tunnel: tunnel.close(), tunnels))
    print(any(tunnel.connected for tunnel in tunnels), flush=True)
"""

FORK = """
import diglett, os, sys, warnings
warnings.simplefilter("ignore")  # Python's own, of forking with threads
tunnel = diglett.expose({port}, name="example")
if os.fork() == 0:
    tunnel.close()
    try:
        diglett.expose({port}, name="other")
    except RuntimeError as error:
        print(error, flush=True)
    sys.exit()
os.wait()
print(tunnel.url, tunnel.connected, flush=True)
input()
"""


class ApiTestCase(TunnelTestCase):
    """A program, its site, and a gateway of the same user."""

    def setUp(self) -> None:
        super().setUp()
        site = self.started((sys.executable, PROGRAMS / "site.py", "wsgiref"), {"PYTHONPATH": str(PROGRAMS.parents[2])})
        self.addCleanup(site.kill)
        self.port = int(site.waitFor(r"^port (\d+)$")[1])
        self.house: Gateway | None = None

    def program(self, text: str, *words: str, state: str = "state", **names: object) -> Program:
        """Run this text; in the end it must have been ended, without trouble."""
        gateway = {} if self.house is None else {"DIGLETT_GATEWAY": self.house.address}
        path = self.folder / "program.py"
        path.write_text(text.format(port=self.port, **names) if "{port}" in text else text)
        environment = self.environment(**gateway, DIGLETT_STATE=str(self.folder / state))
        program = Program([sys.executable, str(path), *words], self.folder, environment, commands=True)
        self.programs.append(program)
        self.addCleanup(program.kill)
        return program

    def end(self, program: Program, status: int = 0) -> None:
        """It ends by itself, quickly, and has nothing to complain about."""
        self.assertEqual(program.ended(5), status)
        self.assertEqual(program.err, "")

    def visit(self, name: str = "example") -> tuple[int, bytes]:
        """Status and body."""
        assert self.house is not None
        answer = curl(self, self.house, self.house.url(name))
        return answer.status, answer.body

    def gone(self, name: str = "example") -> None:
        """The gateway knows at once that nobody is there."""
        assert self.house is not None
        self.house.program.waitFor(rf"withdrawn {name}\.localhost")
        self.assertEqual(self.visit(name)[0], 503)


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


class DocumentTests(ApiTestCase):
    """The examples of `docs/python.md`, but for the ports of their backends."""

    def setUp(self) -> None:
        super().setUp()
        self.house = self.gateway()

    def example(self, name: str, port: str = "", needs: str = "") -> Program:
        """Run it, with a free port instead of its own."""
        if needs and importlib.util.find_spec(needs) is None:
            if REQUIRED:
                self.fail(f"{needs} is not installed")
            raise SkipTest(f"{needs} is not installed")
        text = example("python.md", name)
        if port:
            self.assertIn(port, text)
            text = text.replace(port, str(freePort() if needs else self.port))
        program = self.program(text)
        self.assertEqual(program.waitFor("^https://.*$")[0] + "/", self.house.url("example"))
        return program

    def served(self, expected: bytes) -> None:
        """The site answers as soon as it serves."""
        self.until("the site serves", lambda: self.visit() == (200, expected))

    def test_two(self) -> None:
        """The two lines."""
        program = self.example("two.py", "9000")
        self.served(b"hello from the site\n")
        program.tell("")
        self.end(program)
        self.gone()

    def test_flask(self) -> None:
        """Flask, which knows its public URL, ended by Ctrl-C."""
        assert self.house is not None
        program = self.example("flaskapp.py", "5000", "flask")
        self.served(f"hello from {self.house.url('example')}\n".encode())
        program.send(signal.SIGINT)
        self.assertEqual(program.ended(5), 0)
        self.gone()

    def test_fastapi(self) -> None:
        """FastAPI, ended by Ctrl-C."""
        program = self.example("fastapiapp.py", "8000", "fastapi")
        self.served(b'{"hello":"from FastAPI"}')
        program.send(signal.SIGINT)
        program.ended(5)
        self.assertIn("Application shutdown complete", program.err)
        self.gone()

    def test_twisted(self) -> None:
        """Twisted, ended by Ctrl-C."""
        (self.folder / "index.html").write_text("hello from Twisted")
        program = self.example("twistedapp.py")
        self.served(b"hello from Twisted")
        program.send(signal.SIGINT)
        self.end(program)
        self.gone()

    def test_pytest(self) -> None:
        """The fixture and its test, with a shop that posts by curl."""
        if importlib.util.find_spec("pytest") is None and not REQUIRED:
            raise SkipTest("pytest is not installed")
        for name in ("conftest.py", "test_shop.py"):
            (self.folder / name).write_text(example("python.md", name))
        (self.folder / "shop.py").write_text(SHOP.format(curl=find("curl"), ca=self.house.ca))
        environment = {"DIGLETT_GATEWAY": self.house.address, "DIGLETT_STATE": str(self.folder / "state")}
        tests = self.started((sys.executable, "-m", "pytest", "-q", "test_shop.py"), environment)
        self.addCleanup(tests.kill)
        self.assertEqual(tests.ended(), 0)
        self.assertIn("1 passed", tests.out)
        self.house.program.waitFor("withdrawn .*localhost")


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
