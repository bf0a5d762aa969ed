"""Staying connected, as a machine."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.connecting import newConnecting
from diglett.errors import DiglettError, LinkLost, Refused


class Pending:
    """Something that can be cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Recorder:
    """Effects that only remember."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.pending: list[Pending] = []

    def _begin(self, *call: Any) -> Pending:
        self.calls.append(call)
        self.pending.append(Pending())
        return self.pending[-1]

    def dial(self) -> Pending:
        return self._begin("dial")

    def wait(self, error: DiglettError, established: bool) -> Pending:
        return self._begin("wait", str(error), established)

    def stopped(self, error: DiglettError | None) -> None:
        self.calls.append(("stopped", error))

    def drainLink(self, link: Any) -> None:
        self.calls.append(("drain", link))

    def leaveBehind(self, link: Any) -> None:
        self.calls.append(("leave", link))


LOST = LinkLost("gone")
BAD = Refused("no", permanent=True)


class ConnectingTests(SynchronousTestCase):
    """Every way through the machine."""

    def setUp(self) -> None:
        self.effects = Recorder()
        self.machine = newConnecting(self.effects)

    def names(self) -> list[str]:
        return [call[0] for call in self.effects.calls]

    def test_triesForEver(self) -> None:
        """A failed attempt is followed by waiting and the next attempt, the first connect included."""
        self.machine.start()
        for _ in range(50):
            self.machine.failed(LOST)
            self.machine.due()
        self.assertEqual(self.names(), ["dial"] + ["wait", "dial"] * 50)

    def test_comesBackAfterALoss(self) -> None:
        """A lost link is waited for as such, then dialled again."""
        self.machine.start()
        self.machine.established("link")
        self.machine.lost(LOST)
        self.machine.due()
        self.assertEqual(self.effects.calls, [("dial",), ("wait", "gone", True), ("dial",)])

    def test_stopsForGood(self) -> None:
        """A permanent refusal ends it, with the error, whether it comes in an attempt or on a link."""
        self.machine.start()
        self.machine.refused(BAD)
        self.machine.due()
        self.assertEqual(self.effects.calls, [("dial",), ("stopped", BAD)])
        other = Recorder()
        machine = newConnecting(other)
        machine.start()
        machine.established("link")
        machine.refused(BAD)
        self.assertEqual(other.calls[-1], ("stopped", BAD))

    def test_stopCancelsWhatIsUnderWay(self) -> None:
        """Stopping cancels an attempt or a wait and ends without an error."""
        self.machine.start()
        self.machine.stop()
        self.assertTrue(self.effects.pending[0].cancelled)
        self.assertEqual(self.effects.calls[-1], ("stopped", None))

    def test_stopDrainsALink(self) -> None:
        """Stopping while up drains the link, and ends when that is over."""
        self.machine.start()
        self.machine.established("link")
        self.machine.stop()
        self.assertEqual(self.effects.calls[-1], ("drain", "link"))
        self.machine.lost(LOST)
        self.assertEqual(self.effects.calls[-1], ("stopped", None))

    def test_movesWithoutWaiting(self) -> None:
        """A gateway that drains is left at once for another attempt, and its link to its streams."""
        self.machine.start()
        self.machine.established("link")
        self.machine.moved()
        self.assertEqual(sorted(self.names()), ["dial", "dial", "leave"])
        self.assertIn(("leave", "link"), self.effects.calls)

    def test_leavingIsNotMoving(self) -> None:
        """A gateway that drains while we leave changes nothing: the link's end is ours."""
        self.machine.start()
        self.machine.established("link")
        self.machine.stop()
        self.machine.moved()
        self.machine.lost(LOST)
        self.assertEqual(self.names(), ["dial", "drain", "stopped"])

    @given(st.lists(st.sampled_from(("due", "stop", "lost", "moved", "refused"))))
    def test_theEndIsTheEnd(self, late: list[str]) -> None:
        """Once stopped nothing happens any more, whatever still comes in."""
        effects = Recorder()
        machine = newConnecting(effects)
        machine.start()
        machine.stop()
        before = list(effects.calls)
        for name in late:
            arguments = (LOST,) if name in ("lost", "refused") else ()
            getattr(machine, name)(*arguments)
        self.assertEqual(effects.calls, before)
