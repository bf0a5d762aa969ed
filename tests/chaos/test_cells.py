"""Some cells of the matrix, with short faults and less patience than users have; `make chaos` runs all, as they are.

A machine may be slow, so limits on times are generous here: what is held is that everything comes back, that nothing is
corrupted, that nobody waits for ever, and that each end is told or noticed.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.errors import Missing
from tests.chaos.cell import Pace, runCell
from tests.chaos.faults import FAULTS
from tests.chaos.house import Patience
from tests.chaos.judge import judge
from tests.chaos.result import Result

QUICK = Pace(warm=0.3, after=1.7, settle=0.2, noticed=0.2, size=1_000_000, patience=Patience(1, 4))
SLOW = 10.0
"""Seconds that a busy machine may need more."""


class CellTests(SynchronousTestCase):
    """One fault under one load, between real processes."""

    def cell(self, name: str, load: str, namespaces: bool = False) -> Result:
        """Run it, and see that everything was as it must be."""
        fault = evolve(next(each for each in FAULTS if each.name == name), lasts=1.0)
        folder = Path(tempfile.mkdtemp(prefix="dt-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        result, said = runCell(fault, load, folder, QUICK, namespaces)
        wrong = judge(result, fault, QUICK.patience, SLOW)
        self.assertEqual(wrong, [], f"{result}\n{said}")
        return result

    def test_gatewayKilled(self) -> None:
        """Everybody's socket ends, the agent is back when the gateway is, and everybody is served again."""
        self.assertGreaterEqual(self.cell("gateway killed", "WebSockets").seen["cut"], 50)

    def test_gatewayRestarted(self) -> None:
        """Asked to stop, the gateway finishes all downloads that have begun."""
        self.assertEqual(self.cell("gateway restarted", "bulk down").broken, 0)

    def test_backendKilled(self) -> None:
        """What a backend has not sent is missed by its visitor, and 502 is what the next one hears."""
        result = self.cell("backend killed", "bulk down")
        self.assertGreater(result.seen["502"], 0)

    def test_linkReset(self) -> None:
        """A link that is reset under uploads is back in a moment."""
        self.cell("link reset", "bulk up")

    def test_linkHeld(self) -> None:
        """A line that carries nothing any more is noticed at both ends, and who waited for an answer hears 504."""
        result = self.cell("link black-holed", "keep-alive")
        self.assertGreaterEqual(result.seen["504"], 16)

    def test_forgottenByNAT(self) -> None:
        """A link that a NAT has forgotten is noticed at both ends, and replaced by a new one."""
        try:
            self.cell("NAT entry dropped", "idle", namespaces=True)
        except Missing:
            self.cell("NAT entry dropped", "idle")
