"""The prefaces of version 1."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, VersionMismatch
from diglett.wire.v1.exchange import PREFACE_SIZE, KeyExchange
from tests.wire import cut
from tests.wire.v1.recorded import AGENT, GATEWAY, MATERIAL, agentPair, gatewayPair


class KeyExchangeTests(SynchronousTestCase):
    """`KeyExchange`."""

    def test_recorded(self) -> None:
        """Both prefaces are as recorded, and lead to the recorded material."""
        agent, gateway = KeyExchange(agentPair()), KeyExchange(gatewayPair())
        self.assertEqual((agent.preface, gateway.preface), (AGENT.preface, GATEWAY.preface))
        self.assertEqual(agent.receive(GATEWAY.preface), MATERIAL)
        self.assertEqual(gateway.receive(AGENT.preface), MATERIAL)
        self.assertEqual(len(AGENT.preface), PREFACE_SIZE)

    @given(st.lists(st.integers(0, PREFACE_SIZE), max_size=5))
    def test_pieces(self, cuts: list[int]) -> None:
        """A preface in pieces is one as soon as it is whole, and it is known how much is missing."""
        exchange = KeyExchange(agentPair())
        heard = 0
        for piece in cut(GATEWAY.preface, cuts):
            self.assertEqual(exchange.wanted, PREFACE_SIZE - heard)
            heard += len(piece)
            self.assertEqual(exchange.receive(piece), MATERIAL if heard == PREFACE_SIZE else None)

    def test_early(self) -> None:
        """What cannot become a preface is known at its first wrong byte."""
        for good, bad, error in (
            (b"", b"\x16", ProtocolError),
            (b"dig", b"L", ProtocolError),
            (b"digl", b"\x02", VersionMismatch),
            (b"digl", b"\x00", VersionMismatch),
        ):
            exchange = KeyExchange(agentPair())
            if good:
                self.assertIsNone(exchange.receive(good))
            self.assertRaises(error, exchange.receive, bad)

    @given(st.binary(max_size=PREFACE_SIZE) | st.binary(max_size=33).map(lambda rest: b"digl\x01" + rest))
    def test_anything(self, data: bytes) -> None:
        """Whatever comes is a preface, the beginning of one, or an error of ours."""
        try:
            found = KeyExchange(agentPair()).receive(data)
        except ProtocolError:
            return
        if found is None:
            self.assertTrue((b"digl\x01" + data[5:]).startswith(data) and len(data) < PREFACE_SIZE)
        else:
            self.assertEqual((len(found), len(data)), (64, PREFACE_SIZE))
