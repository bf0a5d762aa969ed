"""The agent's handshake, version 2: what a hostile gateway may say."""

from __future__ import annotations

from typing import Any

from diglett.wire.codec import HELLO_MAX
from diglett.wire.frames import HANDSHAKE_MAX, HEADER_SIZE
from tests.fuzz.cutting import pieces
from tests.fuzz.seeds import conversations
from tests.wire.handshake.talking import Agent

MODULES = ("diglett.wire.handshake.agent", "diglett.wire.codec", "diglett.wire.messages")
SEEDS = [data for side, data in conversations("handshakes") if side == "gateway"]


def check(data: bytes) -> None:
    whole = play([data])
    assert play(pieces(data)) == whole, "cutting matters"


def play(parts: list[bytes]) -> Any:
    """How it ends, and what is left for the mux."""
    agent = Agent()
    said = bytes(agent.sent)
    for part in parts:
        agent.receive(part)
        assert agent.ends <= 1, "it ends twice"
        if not agent.ends:
            assert agent.handshake._reader.buffered < max(HANDSHAKE_MAX + HEADER_SIZE, HELLO_MAX + 7)
    assert bytes(agent.sent) == said, "all was said in one flight"
    errors = [(str(error), getattr(error, "code", "")) for error in agent.errors]
    return agent.outcomes, errors, agent.handshake.stage, agent.handshake.rest() if agent.outcomes else b""
