"""What must be true of a cell, and that it is seen when it is not."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.faults import ATONCE, NOTHING, SILENCE, UNASKED, Fault
from tests.chaos.house import Patience
from tests.chaos.judge import judge
from tests.chaos.result import Result, Visit

FAULT = Fault("it breaks", lambda house: lambda: 0.0, frozenset({"503"}), 2.0, agent=ATONCE, gateway=SILENCE)
VISITS = (
    Visit("get", -1.0, -0.9, "200"),
    Visit("probe", 0.1, 30.0, "503"),
    Visit("probe", 34.0, 34.1, "200"),
    Visit("get", 36.0, 36.1, "200"),
)
GOOD = Result("it breaks", "keep-alive", 0.1, 31.0, 33.0, 34.1, VISITS, (30.0, 30.0), (35.0, 31.0))


class JudgeTests(SynchronousTestCase):
    """A good cell, and one thing in it that is not."""

    def says(self, pattern: str, fault: Fault = FAULT, *more: Visit, **changes: Any) -> None:
        """Judge the cell with these changes: it must be found, and nothing else."""
        result = evolve(GOOD, **changes)
        wrong = judge(evolve(result, visits=[*result.visits, *more]), fault, Patience())
        self.assertEqual(len(wrong), 1, wrong)
        self.assertRegex(wrong[0], pattern)

    def test_good(self) -> None:
        """There is nothing to say about a good one."""
        self.assertEqual(judge(GOOD, FAULT, Patience()), [])

    def test_unnoticed(self) -> None:
        """Each side must have noticed in time."""
        self.says("agent should have noticed within 2.0 s", agentNoticed=2.1)
        self.says("gateway should have noticed within 35.0 s", gatewayNoticed=None)
        self.assertEqual(judge(evolve(GOOD, agentNoticed=2.1), FAULT, Patience(), 1.0), [])

    def test_dropped(self) -> None:
        """A link that has no reason to end must not."""
        self.says("gateway should have kept the link", evolve(FAULT, gateway=NOTHING))
        self.assertEqual(judge(GOOD, evolve(FAULT, gateway=UNASKED), Patience()), [])

    def test_return(self) -> None:
        """It must come back, and soon."""
        self.says("within 2.0 s, and was after 2.5 s", back=35.5, visits=[Visit("get", 40.0, 40.1, "200")])
        self.says("did not come back", back=None)

    def test_healing(self) -> None:
        """What heals by being noticed is back soon after that."""
        healing = evolve(FAULT, agent=SILENCE, heals=True)
        noticed = evolve(GOOD, mended=0.0, agentNoticed=32.5)
        self.assertEqual(judge(noticed, healing, Patience()), [])
        self.says("after 4.1 s", healing, mended=0.0, agentNoticed=30.0)

    def test_strange(self) -> None:
        """Visitors must see nothing but what this fault may show them."""
        self.says(r"visitors saw 504 \(1 times\)", FAULT, Visit("probe", 1.0, 2.0, "504"))

    def test_corrupted(self) -> None:
        """What is finished must be what it should be."""
        self.says("what seemed finished was not right .down.: half", FAULT, Visit("down", 1.0, 2.0, "200", "half"))

    def test_hung(self) -> None:
        """Nobody may wait much longer than it takes to notice, or than the fault lasts."""
        self.says("a visitor waited 45.0 s", FAULT, Visit("up", -5.0, 40.0, "200"))

    def test_early(self) -> None:
        """Nothing may fail before there is a fault."""
        self.says("failed before", FAULT, Visit("get", -0.5, -0.4, "503"))

    def test_late(self) -> None:
        """Nothing may fail any more once it is back, and what the visitors do must work again."""
        self.says("failed though it was back", FAULT, Visit("get", 35.2, 35.3, "503"))
        self.says("nothing was served again", visits=VISITS[:3])

    def test_memory(self) -> None:
        """Neither side may have grown for good."""
        self.says("the agent has grown by 50.0 MiB", after=(30.0, 80.0))

    def test_trouble(self) -> None:
        """What the programs themselves had is passed on."""
        self.says("Traceback", wrong=("Traceback",))
