"""When the agent dials again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.retry import EAGER, LONGEST, RetryPolicy


def policy(clock: Clock, random: float = 1.0) -> RetryPolicy:
    return RetryPolicy(clock.seconds, lambda: random)


class RetryPolicyTests(SynchronousTestCase):
    """Full jitter, eager after a loss, bounded for ever."""

    def test_atOnceAfterALoss(self) -> None:
        """The first attempt after a lost link comes within a fifth of a second."""
        self.assertLessEqual(policy(Clock()).lost(), 0.2)

    def test_eagerWhileTheGatewayRestarts(self) -> None:
        """For a minute after a loss attempts are less than a second apart: who returns is found at once."""
        clock = Clock()
        retry = policy(clock)
        clock.advance(retry.lost())
        while clock.seconds() < EAGER - 1:
            delay = retry.failed()
            self.assertLess(delay, 1.0)
            clock.advance(delay)

    def test_slowerWhenItLasts(self) -> None:
        """A longer outage is met with growing delays, up to the longest one."""
        clock = Clock()
        retry = policy(clock)
        retry.lost()
        clock.advance(EAGER + 1)
        delays = [retry.failed() for _ in range(10)]
        self.assertEqual(delays, sorted(delays))
        self.assertEqual(delays[-1], LONGEST)

    def test_aRefusalIsNotHurried(self) -> None:
        """A gateway that answers, but says no for now, is not asked again within half a second."""
        clock = Clock()
        retry = policy(clock, 0.0)
        retry.lost()
        self.assertGreaterEqual(retry.failed(refused=True), 0.5)

    @given(st.lists(st.sampled_from(("lost", "failed", "refused")), max_size=60), st.floats(0, 1))
    def test_neverBeyondTheLongest(self, events: list[str], random: float) -> None:
        """Whatever happens, the next attempt comes, after at most the longest delay."""
        clock = Clock()
        retry = policy(clock, random)
        for event in events:
            delay = retry.lost() if event == "lost" else retry.failed(refused=event == "refused")
            self.assertGreaterEqual(delay, 0.0)
            self.assertLessEqual(delay, LONGEST)
            clock.advance(delay)

    def test_aHerdIsSpread(self) -> None:
        """Agents that lose one gateway together spread their attempts over the whole delay."""
        clock = Clock()
        delays = []
        for number in range(100):
            retry = policy(clock, number / 100)
            retry.lost()
            delays.append(retry.failed())
        self.assertLess(min(delays), 0.15)
        self.assertGreater(max(delays), 0.85)
