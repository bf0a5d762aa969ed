"""How many connections there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.gateway.crowd import Crowd, hostOf, isLoopback

ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1", "", "127.0.0.1"]


class CrowdTests(SynchronousTestCase):
    """`Crowd`."""

    def test_allTogether(self) -> None:
        """Nobody comes in when there are as many as may be, whoever it is, until somebody leaves."""
        crowd = Crowd("visitors", 2)
        self.assertEqual([crowd.enter(each) for each in ADDRESSES[:2]], [None, None])
        for address in ADDRESSES:
            self.assertIn("2 visitors", str(crowd.enter(address)))
        crowd.leave(ADDRESSES[0])
        self.assertIsNone(crowd.enter(ADDRESSES[2]))

    def test_fromOnePlace(self) -> None:
        """One IPv4 address, however it is written, and one IPv6 /64, have their share; others theirs."""
        crowd = Crowd("handshakes", 100, 2)
        for address in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::ffff:1"):
            self.assertIsNone(crowd.enter(address))
        for address in ("192.0.2.1", "2001:db8:0:0:5::"):
            self.assertIn("2 handshakes from", str(crowd.enter(address)))
        self.assertIsNone(crowd.enter("192.0.2.2"))
        self.assertIsNone(crowd.enter("2001:db8:0:1::1"))

    def test_exempt(self) -> None:
        """This machine, Unix sockets and the operator's proxies have no share of their own to use up."""
        crowd = Crowd("visitors", 100, 1, lambda address: address == "192.0.2.9")
        for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "", "192.0.2.9"):
            for _ in range(3):
                self.assertIsNone(crowd.enter(address))

    @given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.booleans())))
    def test_nothingStays(self, steps: list[tuple[str, bool]]) -> None:
        """When everybody has left, nothing is remembered of anybody."""
        crowd = Crowd("visitors", 5, 2)
        inside: list[str] = []
        for address, comes in steps:
            if comes and crowd.enter(address) is None:
                inside.append(address)
            elif not comes and address in inside:
                inside.remove(address)
                crowd.leave(address)
            self.assertEqual(len(crowd), len(inside))
        for address in inside:
            crowd.leave(address)
        self.assertEqual((len(crowd), dict(crowd._places)), (0, {}))

    def test_addresses(self) -> None:
        """Peers are tuples or texts; what is no address is not this machine."""
        self.assertEqual([hostOf(peer) for peer in (("::1", 1, 0, 0), ("192.0.2.1", 2), "", "/run/x")], ["::1", "192.0.2.1", "", ""])
        self.assertFalse(isLoopback("localhost") or isLoopback("") or isLoopback("127.0.0.1.evil.org"))
