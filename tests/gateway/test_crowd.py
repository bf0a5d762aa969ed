"""How many connections there are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.gateway.crowd import Crowd, VisitorLimits, hostOf, isLoopback

HERE = ("192.0.2.1", 1)
PEERS: list[Any] = [
    HERE, ("192.0.2.2", 1), ("2001:db8::1", 1, 0, 0), ("2001:db8::2", 1, 0, 0), ("2001:db8:0:1::1", 1, 0, 0),
    ("::ffff:192.0.2.1", 1, 0, 0), "", ("127.0.0.1", 1),
]  # fmt: skip


class Channel:
    """A connection from somewhere."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def crowd(most: int, *options: Any) -> Crowd:
    return Crowd("visitors", lambda: 0.0, most, *options)


def comes(there: Crowd, peer: Any) -> bool:
    """Whether it may come in; if not, it is reset."""
    channel: Any = Channel(peer)
    admitted = there.admit(channel, peer)
    assert admitted is not channel.aborted
    return admitted


class CrowdTests(SynchronousTestCase):
    """`Crowd`."""

    def test_allTogether(self) -> None:
        """Nobody comes in when there are as many as may be, whoever it is, until somebody leaves."""
        there = crowd(2)
        self.assertTrue(comes(there, HERE) and comes(there, HERE))
        self.assertFalse(any(comes(there, peer) for peer in PEERS))
        there.leave(HERE)
        self.assertTrue(comes(there, PEERS[2]))

    def test_fromOnePlace(self) -> None:
        """One IPv4 address, however it is written, and one IPv6 /64, have their share; others theirs."""
        there = crowd(100, 2)
        for address in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::ffff:1"):
            self.assertTrue(comes(there, (address, 1)))
        for address in ("192.0.2.1", "2001:db8:0:0:5::"):
            self.assertFalse(comes(there, (address, 1)))
        for address in ("192.0.2.2", "2001:db8:0:1::1"):
            self.assertTrue(comes(there, (address, 1)))

    def test_exempt(self) -> None:
        """This machine, Unix sockets and the operator's proxies have no share of their own to use up."""
        there = crowd(100, 1, lambda address: address == "192.0.2.9")
        for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "192.0.2.9"):
            self.assertTrue(all(comes(there, (address, 1)) for _ in range(3)))
        self.assertTrue(all(comes(there, "") for _ in range(3)))

    @given(st.lists(st.tuples(st.sampled_from(PEERS), st.booleans())))
    def test_nothingStays(self, steps: list[tuple[Any, bool]]) -> None:
        """When everybody has left, nothing is remembered of anybody."""
        there = crowd(5, 2)
        inside: list[Any] = []
        for peer, coming in steps:
            if coming and comes(there, peer):
                inside.append(peer)
            elif not coming and peer in inside:
                inside.remove(peer)
                there.leave(peer)
            self.assertEqual(len(there), len(inside))
        for peer in inside:
            there.leave(peer)
        self.assertEqual((len(there), dict(there._places)), (0, {}))

    def test_withinDescriptors(self) -> None:
        """Visitors leave a quarter of the descriptors to the others, however many there are."""
        self.assertEqual(VisitorLimits.within(1_024).visitors, 768)
        self.assertEqual(VisitorLimits.within(1 << 20), VisitorLimits())
        self.assertEqual(VisitorLimits.within(0), VisitorLimits())

    def test_addresses(self) -> None:
        """Peers are tuples or texts; what is no address is not this machine."""
        peers: list[Any] = [("::1", 1, 0, 0), HERE, "", "/run/x"]
        self.assertEqual(list(map(hostOf, peers)), ["::1", "192.0.2.1", "", ""])
        self.assertFalse(isLoopback("localhost") or isLoopback("") or isLoopback("127.0.0.1.evil.org"))
