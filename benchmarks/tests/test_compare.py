"""Comparing two runs."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.compare import compare, lines, lost, main
from benchmarks.errors import Trouble
from benchmarks.results import Results
from benchmarks.rows.base import Metric

RATE = Metric("rate", "requests", "req/s")
TIME = Metric("time", "latency", "µs", more=False)
MEMORY = Metric("memory", "memory", "KiB", more=False, absolute=True)


def run(scale: float = 1.0, **ours: float) -> Results:
    """A run on a machine so many times as fast, with these figures of ours."""
    results = Results({"date": "then", "commit": "c"}, {"direct": "direct", "ssh": "ssh -R", "ours": "ours"})
    results.metrics = {metric.key: metric for metric in (RATE, TIME, MEMORY)}
    results.add("direct", {"rate": 1000 * scale, "time": 10 / scale})
    results.add("ssh", {"rate": 200 * scale, "time": 50 / scale, "memory": 60})
    results.add("ours", ours)
    return results


class CompareTests(SynchronousTestCase):
    """What counts as slower."""

    def test_fasterMachine(self) -> None:
        """A faster machine alone changes nothing."""
        [rate, time] = compare(run(rate=400, time=20), run(2.0, rate=800, time=10), ["ours"])
        for change in (rate, time):
            self.assertEqual(change.changes, {"direct": 1.0, "ssh": 1.0})
            self.assertFalse(change.worse(0.25) or change.better(0.25))

    def test_slowerProgram(self) -> None:
        """Half the rate is worse, double the rate is better."""
        [change] = compare(run(rate=400), run(rate=200), ["ours"])
        self.assertTrue(change.worse(0.25))
        [change] = compare(run(rate=200), run(rate=400), ["ours"])
        self.assertTrue(change.better(0.25))
        self.assertFalse(change.worse(0.25))

    def test_lessIsBetter(self) -> None:
        """For a time, twice as much is worse."""
        [change] = compare(run(time=20), run(time=40), ["ours"])
        self.assertTrue(change.worse(0.25))

    def test_referencesDisagree(self) -> None:
        """When only one reference says so, it is the reference that has changed."""
        now = run(rate=400)
        now.samples["ssh"]["rate"] = [800.0]
        [change] = compare(run(rate=400), now, ["ours"])
        self.assertFalse(change.worse(0.25))

    def test_absolute(self) -> None:
        """Memory is compared as it is, whatever the references need."""
        [change] = compare(run(memory=1.0), run(2.0, memory=1.5), ["ours"])
        self.assertEqual(change.changes, {"": 1.5})
        self.assertTrue(change.worse(0.25))

    def test_references(self) -> None:
        """The references are not compared with themselves."""
        self.assertEqual(compare(run(rate=1), run(rate=2), ["direct", "ssh"]), [])

    def test_lost(self) -> None:
        """A figure that was tried and failed is not silently left out."""
        self.assertEqual(lost(run(rate=1, time=2), run(rate=1), ["ours"]), ["latency, ours"])

    def test_lines(self) -> None:
        """What is worse comes first and is marked."""
        changes = compare(run(rate=400, time=20), run(rate=400, time=40), ["ours"])
        shown = list(lines(changes, {"ours": "ours"}, 0.25))
        self.assertTrue(shown[1].startswith("WORSE"))
        self.assertIn("latency", shown[1])
        self.assertIn("requests", shown[2])


class MainTests(SynchronousTestCase):
    """The command's exit status."""

    def status(self, then: Results, now: Results) -> int:
        folder = Path(self.mktemp())
        folder.mkdir()
        then.save(folder / "then.json")
        now.save(folder / "now.json")
        return main([str(folder / "now.json"), "--baseline", str(folder / "then.json")])

    def test_same(self) -> None:
        """Two like runs end well."""
        self.assertEqual(self.status(run(rate=400), run(rate=380)), 0)

    def test_worse(self) -> None:
        """A regression is told by the status."""
        self.assertEqual(self.status(run(rate=400), run(rate=200)), 1)

    def test_lost(self) -> None:
        """So is a figure that is no longer there."""
        self.assertEqual(self.status(run(rate=400, time=1), run(rate=400)), 1)

    def test_nothingInCommon(self) -> None:
        """Runs without a common figure cannot be compared, which is not the same as fine."""
        self.assertEqual(self.status(run(rate=400), Results({}, {"direct": "direct"})), 2)

    def test_notResults(self) -> None:
        """A file of something else is refused with its name."""
        path = Path(self.mktemp())
        path.write_text('{"format": 7}')
        self.assertIn(str(path), str(self.assertRaises(Trouble, Results.read, path)))
        path.write_text("{}")
        self.assertRaises(Trouble, Results.read, path)
