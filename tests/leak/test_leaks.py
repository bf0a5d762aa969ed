"""Nothing is left of agents and visitors who have gone; and what would be is found."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.harness import ProcessTestCase
from tests.leak.counting import SLACK, Snapshot, verdict


class LeakTests(ProcessTestCase):
    """The program with small numbers; `make leak` takes large ones."""

    def test_nothingLeft(self) -> None:
        """Three hundred agents and three thousand visitors, who came and left in every way, have left nothing."""
        if not sys.platform.startswith("linux"):
            self.skipTest("only Linux tells what is needed for this")
        program = self.launch(
            sys.executable, "-m", "tests.leak", "--connects", "300", "--streams", "3000", "--linger", "0.5"
        )
        self.assertEqual((program.ended(90), program.out[-16:]), (0, "nothing is left\n"))


class VerdictTests(SynchronousTestCase):
    """What counts as a leak."""

    def setUp(self) -> None:
        """Look at this very process."""
        self.before = Snapshot.take(Clock())

    def wrong(self, rounds: int = 1_000, **more: int) -> list[str]:
        """What is said of a process that has so much more."""
        changes: dict[str, Any] = {name: getattr(self.before, name) + count for name, count in more.items()}
        return verdict(self.before, evolve(self.before, **changes), rounds)

    def test_same(self) -> None:
        """Nothing more is no leak, nor is less."""
        self.assertEqual(self.wrong(), [])
        self.assertEqual(self.wrong(resident=-1_000_000, blocks=-1_000, descriptors=-3, timers=-3), [])

    def test_more(self) -> None:
        """A single descriptor is one; timers, allocations and memory are from some number on."""
        self.assertEqual(self.wrong(descriptors=1), ["1 more descriptors"])
        self.assertEqual(self.wrong(timers=3), ["3 more timers"])
        self.assertEqual(self.wrong(blocks=6_000), ["6000 more allocated blocks"])
        self.assertEqual(self.wrong(resident=50 * 1_048_576), ["50.0 MiB more memory"])

    def test_cancelledTimers(self) -> None:
        """Cancelled timers do not count, nor do their methods: Twisted forgets them when it likes."""
        from twisted.internet import reactor

        timers: Any = reactor
        kept = [timers.callLater(60, print) for _ in range(3 * SLACK)]
        running = verdict(self.before, Snapshot.take(Clock()), 1)
        self.assertEqual(
            [each for each in running if "more of" in each],
            [f"{6 * SLACK} more of builtins.method", f"{3 * SLACK} more of twisted.internet.base.DelayedCall"],
        )
        for each in kept:
            each.cancel()
        self.assertEqual([each for each in verdict(self.before, Snapshot.take(Clock()), 1) if "more of" in each], [])

    def test_objects(self) -> None:
        """So are objects of one type, as real ones show."""

        class Kept:
            """Something."""

        kept = [Kept() for _ in range(SLACK + 1)]
        (wrong,) = [each for each in verdict(self.before, Snapshot.take(Clock()), 1) if "Kept" in each]
        self.assertRegex(wrong, rf"^{len(kept)} more of tests\..*Kept$")
        few = evolve(self.before, types=self.before.types + Counter({"a.Thing": SLACK}))
        self.assertEqual(verdict(self.before, few, 1), [])
