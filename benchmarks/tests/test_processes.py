"""Processes, what they cost, and that none is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.errors import Missing
from benchmarks.processes import Process, Processes
from benchmarks.procfs import cpuSeconds, descendants, keepOn, memoryKiB

# A parent, and a child in a session of its own, as sshd makes them.
_FAMILY = """
import subprocess, sys
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def gone(pid: int) -> bool:
    return pid not in descendants([pid])


class ProcessesTests(SynchronousTestCase):
    """Starting and ending."""

    def setUp(self) -> None:
        self.processes = Processes()
        self.addCleanup(self.processes.close)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def family(self) -> tuple[Process, int]:
        """A process and the pid of its child."""
        command = [sys.executable, "-c", _FAMILY]
        process = self.processes.start("family", command, self.folder / "family.log", keepOutput=True)
        assert process.popen.stdout is not None
        return process, int(process.popen.stdout.readline())

    def test_stop(self) -> None:
        """Ending a process ends its children too, those in other sessions included."""
        process, child = self.family()
        self.assertEqual(set(descendants([process.pid])), {process.pid, child})
        self.processes.stop([process])
        self.assertTrue(process.ended and gone(child))

    def test_orphans(self) -> None:
        """A child whose parent has died is found at the end all the same."""
        process, child = self.family()
        process.popen.kill()
        process.popen.wait()
        self.assertFalse(gone(child))
        self.processes.close()
        self.assertTrue(gone(child))
        self.assertNotIn(child, descendants([os.getpid()], dead=True))

    def test_deafToTerm(self) -> None:
        """Who ignores SIGTERM is killed."""
        self.patch(sys.modules["benchmarks.processes"], "_PATIENCE", 0.1)
        command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 600; done"]
        process = self.processes.start("deaf", command, self.folder / "deaf.log", keepOutput=True)
        assert process.popen.stdout is not None
        process.popen.stdout.readline()
        self.processes.stop([process])
        self.assertEqual(process.popen.returncode, -9)

    def test_dieWithUs(self) -> None:
        """What was started ends even when the benchmark itself is killed."""
        script = (
            "import sys, pathlib; from benchmarks.processes import Processes\n"
            "p = Processes().start('s', ['sleep', '600'], pathlib.Path(sys.argv[1])); print(p.pid, flush=True)\n"
            "sys.stdin.read()"
        )
        root = Path(__file__).parents[2]
        benchmark = subprocess.Popen(
            [sys.executable, "-c", script, str(self.folder.absolute() / "log")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
        )
        assert benchmark.stdout is not None and benchmark.stdin is not None
        child = int(benchmark.stdout.readline())
        benchmark.kill()
        benchmark.wait()
        deadline = time.monotonic() + 10
        while not gone(child) and time.monotonic() < deadline:
            os.sched_yield()
        self.assertTrue(gone(child))
        benchmark.stdout.close()
        benchmark.stdin.close()

    def test_keptOn(self) -> None:
        """A process and its children are kept on a core, and let go again; who has ended is no trouble."""
        cores = os.sched_getaffinity(0)
        process, child = self.family()
        for wanted in ({max(cores)}, cores):
            keepOn(process.pid, wanted)
            self.assertEqual([os.sched_getaffinity(pid) for pid in (process.pid, child)], [wanted, wanted])
        self.processes.stop([process])
        keepOn(process.pid, cores)

    def test_missing(self) -> None:
        """A program that is not there is said to be missing."""
        error = self.assertRaises(Missing, self.processes.start, "x", ["/no/such"], self.folder / "log")
        self.assertIn("/no/such", str(error))


class ProcfsTests(SynchronousTestCase):
    """CPU and memory."""

    def test_cpu(self) -> None:
        """Busy time is counted, children's included."""
        before = cpuSeconds([os.getpid()])
        burn = "import time\nwhile time.process_time() < 0.3: pass"
        subprocess.run([sys.executable, "-c", burn], check=True)
        spent = cpuSeconds([os.getpid()]) - before
        self.assertTrue(0.25 < spent < 5, spent)

    def test_memory(self) -> None:
        """What is written to is counted."""
        before = memoryKiB([os.getpid()])
        block = bytearray(b"x" * (20 << 20))
        grown = memoryKiB([os.getpid()]) - before
        self.assertTrue(19 * 1024 < grown < 25 * 1024, grown)
        del block

    def test_nobody(self) -> None:
        """Who has ended costs nothing."""
        process = subprocess.Popen(["true"])
        process.wait()
        self.assertEqual((cpuSeconds([process.pid]), memoryKiB([process.pid])), (0, 0))
