"""A soak of twenty seconds between real processes, and its parts one by one."""

from __future__ import annotations

import socket
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.harness import ProcessTestCase
from tests.soak.picture import Line, Panel, draw, ticks
from tests.soak.quiet import LIMIT, STILL, Quiet
from tests.soak.record import Record, Strike
from tests.soak.relay import Relay
from tests.soak.telling import tell
from tests.soak.verdict import WARM, verdict
from tests.soak.visits import Corrupted, compare

KINDS = ("download", "upload", "requests", "raw download", "raw upload", "raw idle", "WebSocket", "idle WebSocket")


class SoakTests(ProcessTestCase):
    """The whole thing."""

    if sys.platform != "linux":
        skip = "it reads Linux' /proc"

    def test_short(self) -> None:
        """Twenty seconds of faults: nothing is corrupted, all comes back, and nothing is left."""
        figures = self.folder / "soak.json"
        words = (sys.executable, "-m", "tests.soak", "--minutes", "0.33", "--seed", "1", "--json", figures)
        soak = self.launch(*words)
        self.assertEqual(soak.ended(300), 0, str(soak))
        record = Record.read(figures)
        self.assertGreater(len(record.strikes), 5)
        for kind in KINDS:
            self.assertGreater(record.finished[kind], 1, kind)
        self.assertGreater(record.left["leaving"], 1)
        docs = self.folder / "docs"
        (docs / "img").mkdir(parents=True)
        (docs / "reliability.md").write_text("<!-- soak: begin --><!-- soak: end -->")
        tell(record, docs)
        ElementTree.parse(docs / "img" / "soak.svg")
        self.assertIn("**0 were corrupted**", (docs / "reliability.md").read_text("utf-8"))


def record(grows: float = 0.0, **more: Any) -> Record:
    """A good run, but for what is said."""
    quiet = {"gateway": [40_000, 60_000, 20], "streams": 0, "visitors": 0}
    made = Record(1, WARM, {"date": "", "commit": "", "machine": "", "python": ""})
    made.finished["download"] = 5
    for number in range(100):
        made.samples.append({"at": float(number), "steady": {"gateway": [40_000 + grows * number, 60_000, 20]}})
    made.before = {"steady": dict(quiet)}
    made.after = {"steady": {**quiet, **more}}
    return made


class QuietTests(SynchronousTestCase):
    """When a cell is quiet."""

    def seen(self, descriptors: int, streams: int = 0, visitors: int = 0) -> dict[str, Any]:
        """A look at a cell."""
        return {"gateway": [40_000, 60_000, descriptors], "links": 3, "streams": streams, "visitors": visitors}

    def test_still(self) -> None:
        """At first it is when the visitors have gone, and for a while nothing has been closed any more."""
        quiet = Quiet(0.0)
        self.assertFalse(quiet.over(self.seen(25, streams=1), STILL))
        self.assertFalse(quiet.over(self.seen(24, visitors=1), STILL * 2))
        self.assertFalse(quiet.over(self.seen(22), STILL * 2.5))
        self.assertFalse(quiet.over(self.seen(20), STILL * 3.4))
        self.assertFalse(quiet.over(self.seen(20), STILL * 4.3))
        self.assertTrue(quiet.over(self.seen(20), STILL * 4.5))

    def test_back(self) -> None:
        """Later it is when as few descriptors are left as before, however long that takes."""
        quiet = Quiet(0.0, self.seen(20))
        self.assertFalse(quiet.over(self.seen(21), STILL))
        self.assertFalse(quiet.over(self.seen(21), STILL * 9))
        self.assertFalse(quiet.over({"gateway": None, "streams": 0, "visitors": 0}, STILL * 10))
        self.assertFalse(quiet.over(self.seen(20, streams=1), STILL * 10))
        self.assertTrue(quiet.over(self.seen(20), STILL * 10))

    def test_limit(self) -> None:
        """What does not go is not waited for for ever: that is for the verdict."""
        quiet = Quiet(0.0, self.seen(20))
        self.assertFalse(quiet.over(self.seen(21, streams=1), LIMIT))
        self.assertTrue(quiet.over(self.seen(21, streams=1), LIMIT + 0.1))


class VerdictTests(SynchronousTestCase):
    """What makes a run bad."""

    def test_good(self) -> None:
        """A run in which nothing was wrong is good, small growth included."""
        self.assertEqual(verdict(record(grows=20)), [])

    def test_corrupted(self) -> None:
        """One wrong byte makes it bad, as does any trouble of a process."""
        for what in ("corrupted", "troubles"):
            run = record()
            getattr(run, what).append("something")
            self.assertEqual(verdict(run), ["something"])

    def test_away(self) -> None:
        """So does what has not come back."""
        run = record()
        run.strike(Strike("steady", "links cut", ("site",), 1.0, 0.0, None))
        self.assertIn("never back", verdict(run)[0])

    def test_grown(self) -> None:
        """So does memory that grows all the time; in a short run it may."""
        run = record(grows=100)
        self.assertIn("has grown", verdict(run)[0])
        run.minutes = WARM / 2
        self.assertEqual(verdict(run), [])

    def test_left(self) -> None:
        """So do descriptors and streams that are left behind."""
        self.assertIn("descriptors", verdict(record(gateway=[40_000, 60_000, 21]))[0])
        self.assertIn("2 streams", verdict(record(streams=2))[0])

    def test_nothing(self) -> None:
        """A run in which no visit of a kind went well has shown nothing."""
        run = record()
        run.breakOff("upload", "reset")
        self.assertIn("no upload", verdict(run)[0])

    def test_file(self) -> None:
        """What was saved is what is read."""
        run = record()
        run.strike(Strike("steady", "links cut", ("site",), 1.0, 0.0, 0.5))
        run.breakOff("upload", "reset")
        path = Path(self.mktemp())
        run.save(path)
        again = Record.read(path)
        self.assertEqual((again.strikes, again.broken, again.samples), (run.strikes, run.broken, run.samples))


class CompareTests(SynchronousTestCase):
    """What a visitor does with what it gets."""

    def test_checked(self) -> None:
        """Every byte counts, and so does the last one."""
        from tests.integration.programs.bulk import blocks

        sound = b"".join(blocks(100_000, 7))
        for data, error in ((sound, None), (sound[:-1], EOFError), (sound[:-1] + b"\xff", Corrupted)):
            rest = bytearray(data)

            def read(size: int, rest: bytearray = rest) -> bytes:
                part = bytes(rest[:size])
                del rest[:size]
                return part

            if error is None:
                compare(read, 100_000, 7)
            else:
                self.assertRaises(error, compare, read, 100_000, 7)


class RelayTests(SynchronousTestCase):
    """The line that faults are made of."""

    def setUp(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listening.close)
        self.listening.settimeout(10)
        self.relay = Relay(self.listening.getsockname()[1])
        self.addCleanup(self.relay.close)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a connection through it."""
        here = socket.create_connection(("127.0.0.1", self.relay.port), 10)
        there, _ = self.listening.accept()
        there.settimeout(10)
        for end in (here, there):
            self.addCleanup(end.close)
        return here, there

    def test_passes(self) -> None:
        """Bytes go both ways, and the end does."""
        here, there = self.pair()
        here.sendall(b"hello")
        self.assertEqual(there.recv(10), b"hello")
        there.sendall(b"good day")
        self.assertEqual(here.recv(10), b"good day")
        here.close()
        self.assertEqual(there.recv(10), b"")

    def test_cut(self) -> None:
        """Cut, both ends see a reset."""
        ends = self.pair()
        self.relay.cut()
        for end in ends:
            self.assertRaises(ConnectionResetError, end.recv, 10)

    def test_frozen(self) -> None:
        """Frozen, it passes nothing on; thawed, it passes on what has come."""
        here, there = self.pair()
        self.relay.freeze()
        here.sendall(b"hello")
        there.settimeout(0.2)
        self.assertRaises(TimeoutError, there.recv, 10)
        self.relay.thaw()
        there.settimeout(10)
        self.assertEqual(there.recv(10), b"hello")


class PictureTests(SynchronousTestCase):
    """The picture of a run."""

    def test_drawn(self) -> None:
        """It is XML, holds its words, and every point is within it."""
        line = Line("a < b", [(0.0, 1.0), (1_000.0, 40.0), (1_800.0, 20.0)], "#123456")
        text = draw("title", [Panel("MiB", [line]), Panel("none", [])], 1_800)
        root = ElementTree.fromstring(text)
        words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
        for word in ("title", "MiB", "a < b", "30 minutes", "40"):
            self.assertIn(word, words)
        path = next(each for each in root.iter("{http://www.w3.org/2000/svg}path") if each.get("stroke"))
        self.assertEqual(path.get("d", "").count("L"), 2)

    def test_ticks(self) -> None:
        """Axes have a few round numbers, the last one at or above the most."""
        for most in (0.03, 0.8, 1, 7, 31, 59, 60, 999, 123_456):
            found = ticks(most)
            self.assertTrue(3 <= len(found) <= 8 and found[0] == 0 and found[-2] < most <= found[-1] * 1.000_001, found)
