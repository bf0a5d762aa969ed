"""Whose turn it is to serve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.gateway.succession import FRESH, POLL, Succession, isShared

ADDRESS = ("0.0.0.0", 20_000)
NAMES = [("one", "http"), ("two", "tls")]


class SuccessionTests(SynchronousTestCase):
    """`Succession`."""

    def setUp(self) -> None:
        """Make a state folder."""
        self.clock = Clock()
        self.now = 1_700_000_000.0
        self.state = Path(self.mktemp())
        self.state.mkdir()
        self.waited = 0

    def one(self, address: Any = ADDRESS) -> Succession:
        """One process's; the kernel takes the lock of each for another's."""
        made = Succession(self.clock, self.state, address, lambda: self.now)
        self.addCleanup(made.leave, [])
        return made

    def wait(self) -> None:
        """Note that somebody has to."""
        self.waited += 1

    def test_alone(self) -> None:
        """The first one's turn comes at once, and nothing was left for it."""
        self.assertEqual(self.successResultOf(self.one().turn(self.wait)), [])
        self.assertEqual((self.waited, self.clock.getDelayedCalls()), (0, []))

    def test_inTurn(self) -> None:
        """The next one waits for as long as it takes, and learns which names there were."""
        first, second = self.one(), self.one()
        first.turn(self.wait)
        turn = second.turn(self.wait)
        self.clock.pump([POLL] * 100)
        self.assertEqual(self.waited, 1)
        self.assertNoResult(turn)
        first.leave(NAMES)
        self.clock.advance(POLL)
        self.assertEqual(self.successResultOf(turn), NAMES)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_died(self) -> None:
        """Who dies leaves no word, and the word that was left to it does not count again."""
        first, second, third = self.one(), self.one(), self.one()
        first.turn(self.wait)
        first.leave(NAMES)
        self.assertEqual(self.successResultOf(second.turn(self.wait)), NAMES)
        os.close(second._fd)  # what the kernel does
        second._fd = -1
        self.assertEqual(self.successResultOf(third.turn(self.wait)), [])

    def test_old(self) -> None:
        """What was left long ago does not count: those agents are not about to come."""
        first = self.one()
        first.turn(self.wait)
        first.leave(NAMES)
        self.now += FRESH + 1
        self.assertEqual(self.successResultOf(self.one().turn(self.wait)), [])

    def test_notServed(self) -> None:
        """Who gives up waiting, or stops twice, leaves the others alone."""
        first, second, third = self.one(), self.one(), self.one()
        first.turn(self.wait)
        turn = second.turn(self.wait)
        turn.cancel()
        self.failureResultOf(turn, CancelledError)
        second.leave(NAMES)
        waiting = third.turn(self.wait)
        self.clock.advance(POLL)
        self.assertNoResult(waiting)
        first.leave([])
        first.leave(NAMES)
        self.clock.advance(POLL)
        self.assertEqual(self.successResultOf(waiting), [])

    def test_elsewhere(self) -> None:
        """Gateways on other sockets of the same state folder are not in this line."""
        self.one().turn(self.wait)
        for address in (("0.0.0.0", 20_001), ("::", 20_000, 0, 0), "/run/diglett/agents"):
            self.successResultOf(self.one(address).turn(self.wait))
        self.assertEqual(self.waited, 0)

    def test_nonsense(self) -> None:
        """A file that makes no sense is an empty one; one that cannot be had is said."""
        self.one()
        (path,) = self.state.iterdir()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        for text in ("nonsense", "[]", '{"at": "x"}', '{"at": 1700000000, "names": [1]}', '{"at": 1700000000}'):
            path.write_text(text)
            only = self.one()
            self.assertEqual(self.successResultOf(only.turn(self.wait)), [], text)
            only.leave([])
        path.unlink()
        path.mkdir()
        self.assertIn(str(path), str(self.assertRaises(UsageError, self.one)))

    def test_shared(self) -> None:
        """Sockets of systemd's may be shared, with a PROXY protocol header or without; others are not."""
        self.assertTrue(isShared("systemd:domain=INET:index=0"))
        self.assertTrue(isShared("haproxy:systemd:domain=INET:name=https"))
        self.assertFalse(isShared("tcp:443"))
