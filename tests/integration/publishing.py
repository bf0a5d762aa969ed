"""Programs that publish something, as people write them, and what tests of them have in common."""

from __future__ import annotations

import sys

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
