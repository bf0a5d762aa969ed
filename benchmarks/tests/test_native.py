"""The load and its backend, against each other."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks.errors import Trouble
from benchmarks.lab import Lab
from benchmarks.place import HERE
from benchmarks.processes import Processes
from benchmarks.settings import Settings
from benchmarks.site import Site
from benchmarks.tools import Tools
from benchmarks.visitors import Door, begin, held, load


class NativeTests(SynchronousTestCase):
    """Every mode of load.c, with a backend and without."""

    def setUp(self) -> None:
        if shutil.which("cc") is None:
            raise SkipTest("no C compiler")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        processes = Processes()
        self.addCleanup(processes.close)
        lab = Lab(folder, processes, Tools.build(folder), None, Settings())  # type: ignore[arg-type]
        self.site = Site(lab, HERE, folder, {})
        self.port = self.site.startBackend()
        self.door = Door(self.port)

    def ask(self, *pieces: bytes, size: int) -> bytes:
        """Send the pieces one by one, and receive so many bytes, or fewer if that is the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as visitor:
            for piece in pieces:
                visitor.sendall(piece)
            got = b""
            while len(got) < size:
                data = visitor.recv(size - len(got))
                if not data:
                    break
                got += data
            return got

    def test_echo(self) -> None:
        """What comes behind E comes back, in however many pieces, however much."""
        sent = bytes(range(256)) * 400
        self.assertEqual(self.ask(b"E" + sent[:3], sent[3:], size=len(sent)), sent)

    def test_source(self) -> None:
        """S is answered without end, in a pattern that repeats each 128 KiB."""
        got = self.ask(b"S", size=1 << 18)
        self.assertEqual(len(got), 1 << 18)
        self.assertEqual(got[: 1 << 17], got[1 << 17 :])

    def test_http(self) -> None:
        """Requests are answered one by one on one connection, also when a head comes in pieces."""
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        one = self.ask(request, size=166)
        answers = self.ask(request[:9], request[9:-1], request[-1:] + request, size=2 * len(one))
        self.assertTrue(one.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertIn(b"Content-Length: 100\r\n", one)
        self.assertEqual(answers, one + one)

    def test_unknown(self) -> None:
        """Who asks for something else is shown the door."""
        self.assertEqual(self.ask(b"?", size=1), b"")

    def test_bulk(self) -> None:
        """Bulk goes both ways, as bytes and as HTTP, and counts what it moved."""
        for door in (self.door, Door(self.port, name="some.host")):
            for mode in ("down", "up"):
                result = load(self.site, door, mode, streams=3, seconds=0.1, warm=0.02)
                self.assertTrue(result["bytes"] > result["most"] >= result["least"] > 0, result)
                self.assertTrue(result["rate"] > 0)

    def test_trip(self) -> None:
        """Round trips are counted and sorted."""
        result = load(self.site, self.door, "trip", connections=4, size=100, seconds=0.1, warm=0.02)
        self.assertTrue(0 < result["p50"] <= result["p99"] <= result["p999"], result)
        self.assertEqual(result["stuck"], 0)

    def test_stuck(self) -> None:
        """A request that is never answered is seen, with the time it has waited."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            door = Door(silent.getsockname()[1])
            result = load(self.site, door, "trip", connections=2, seconds=0.3, warm=0.1)
        self.assertEqual((result["rate"], result["stuck"]), (0, 2))
        self.assertTrue(result["p50"] >= 300_000, result)

    def test_connect(self) -> None:
        """New connections are counted, failed ones apart."""
        result = load(self.site, self.door, "connect", connections=4, seconds=0.1)
        self.assertTrue(result["rate"] > 0 and result["errors"] == 0, result)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            door = Door(nobody.getsockname()[1])
            result = load(self.site, door, "connect", connections=4, seconds=0.1)
        self.assertTrue(result["rate"] == 0 and result["errors"] > 0, result)

    def test_idle(self) -> None:
        """Idle streams are opened, held, and still alive at the end."""
        with held(self.site, self.door, "idle", connections=250) as (opened, release):
            self.assertEqual(opened["opened"], 250)
            self.assertEqual(release(), {"alive": 250})

    def test_stall(self) -> None:
        """Both stalls come to a stop and leave others alone."""
        for mode in ("stall-reader", "stall-writer"):
            with held(self.site, self.door, mode, streams=2):
                self.assertEqual(self.ask(b"Ehello", size=5), b"hello")

    def test_ended(self) -> None:
        """A tunnel that drops a bulk stream is not measured as if it had not."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            door = Door(listener.getsockname()[1])
            listener.listen(1)
            listener.settimeout(5)
            visit = begin(self.site, door, "down", seconds=5)
            listener.accept()[0].close()
            self.assertIn("ended", str(self.assertRaises(Trouble, visit.result)))
