"""Is the peer still there? Every state, every input: `docs/wire.md`, section 8."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.wire.keepalive import Watch, newKeepAlive


class KeepAliveTests(SynchronousTestCase):
    """What a watch does about silence."""

    def setUp(self) -> None:
        self.done: list[str] = []
        self.machine = newKeepAlive(Watch(lambda: self.done.append("ping"), lambda: self.done.append("giveUp")))

    def after(self, *inputs: str) -> list[str]:
        self.setUp()
        for name in inputs:
            getattr(self.machine, name)()
        return self.done

    def test_alive(self) -> None:
        """While something is heard nobody is asked."""
        self.assertEqual(self.after("heard", "heard"), [])

    def test_asks(self) -> None:
        """Silence is asked about, once for as long as it lasts."""
        self.assertEqual(self.after("silent", "silent", "silent"), ["ping"])

    def test_asksAgain(self) -> None:
        """The next silence is asked about again."""
        self.assertEqual(self.after("silent", "heard", "silent", "heard", "silent"), ["ping"] * 3)

    def test_dead(self) -> None:
        """A silence that lasts is the end, once, whatever comes after."""
        self.assertEqual(self.after("silent", "expired", "expired", "heard", "silent"), ["ping", "giveUp"])

    def test_stopped(self) -> None:
        """When this process slept through all of it, it gives up without asking."""
        self.assertEqual(self.after("expired"), ["giveUp"])

    @given(st.lists(st.sampled_from(["heard", "silent", "expired"]), max_size=30))
    def test_anything(self, inputs: list[str]) -> None:
        """Whatever a tick finds in whatever state, it behaves: the end comes once and nothing follows it."""
        done = self.after(*inputs)
        self.assertEqual(done.count("giveUp"), int("expired" in inputs))
        if "expired" in inputs:
            self.assertEqual(done[-1], "giveUp")
        before = inputs[: inputs.index("expired")] if "expired" in inputs else inputs
        silences = sum(
            1
            for at, name in enumerate(before)
            if name == "silent" and (at == 0 or before[at - 1] == "heard")
        )
        self.assertEqual(done.count("ping"), silences)
