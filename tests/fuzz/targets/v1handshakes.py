"""Version 1: the exchange of keys, and both sides' handshakes. The first byte: which of them."""

from __future__ import annotations

from typing import Any

from diglett.errors import ProtocolError, Refused, VersionMismatch
from diglett.wire.messages import Login
from diglett.wire.v1.exchange import PREFACE_SIZE, KeyExchange
from tests.fuzz.cutting import pieces
from tests.wire.v1.recorded import AGENT, GATEWAY, agentPair, gatewayPair
from tests.wire.v1.test_agent import Agent
from tests.wire.v1.test_gateway import Gateway

MODULES = ("diglett.wire.v1.exchange", "diglett.wire.v1.gateway", "diglett.wire.v1.agent", "diglett.wire.v1.words")
_agent = b"".join(frame.plain for frame in AGENT.frames)
_gateway = b"".join(frame.plain for frame in GATEWAY.frames)
SEEDS = [
    b"\0" + AGENT.preface + b"rest",
    b"\1" + GATEWAY.preface,
    b"\2" + _agent,
    b"\3" + _agent,
    b"\6" + _agent,
    b"\4" + _gateway,
    b"\4" + _gateway[:7] * 2 + b"\1\0\0\0\0\0\4nope",
]
_pairs = (agentPair(), gatewayPair())


def check(data: bytes) -> None:
    manner, said = data[0] if data else 0, data[1:]
    play = (exchange, exchange, gateway, gateway, agent)[manner % 5]
    assert play([said], manner) == play(pieces(said), manner), "cutting matters"


def exchange(parts: list[bytes], manner: int) -> Any:
    """What was agreed on, or the error."""
    keys = KeyExchange(_pairs[manner & 1])
    for part in parts:
        part = part[: keys.wanted]
        assert keys.wanted + len(part) <= 2 * PREFACE_SIZE
        try:
            agreed = keys.receive(part)
        except (ProtocolError, VersionMismatch) as error:
            return str(error)
        if agreed is not None:
            assert len(agreed) == 64 and not keys.wanted
            return agreed
    return keys.wanted


def gateway(parts: list[bytes], manner: int) -> Any:
    """What it said and asked, how it ended, and what is left."""
    refusal = Refused("no", code="name-not-allowed", permanent=True) if manner & 4 else None
    side = Gateway(login=refusal if manner & 8 else None, name=refusal)
    for part in parts:
        side.handshake.receive(part)
        assert side.ends <= 1, "it ends twice"
    asked = [each.asked.token if isinstance(each.asked, Login) else each.asked for each in side.questions]
    rest = side.handshake.rest() if side.established_ else b""
    return side.said, asked, [str(error) for error in side.errors], rest


def agent(parts: list[bytes], manner: int) -> Any:
    """What it said, how it ended, and what is left."""
    side = Agent()
    for part in parts:
        side.receive(part)
        assert side.ends <= 1, "it ends twice"
    rest = side.handshake.rest() if side.established else b""
    return bytes(side.sent), side.established, [str(error) for error in side.errors], rest
