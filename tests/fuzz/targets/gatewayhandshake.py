"""The gateway's handshake, version 2: what a hostile agent may say. The first byte: whether the desk takes its time."""

from __future__ import annotations

from typing import Any

from tests.fuzz.cutting import pieces
from tests.fuzz.seeds import conversations
from tests.wire.handshake.talking import Gateway

MODULES = ("diglett.wire.handshake.gateway", "diglett.wire.codec", "diglett.wire.messages")
SEEDS = [bytes([late]) + data for late in range(4) for side, data in conversations("handshakes") if side == "agent"]


def check(data: bytes) -> None:
    manner = data[0] if data else 0
    whole = play([data[1:]], manner)
    assert play(pieces(data[1:]), manner) == whole, "cutting matters"


def play(parts: list[bytes], manner: int) -> Any:
    """What it said and asked, how it ended, and what is left for the mux."""
    gateway = Gateway(atOnce=not manner & 1, taken="other" if manner & 2 else "", strangers=bool(manner & 4))
    answered = 0
    for part in [*parts, b""]:
        gateway.receive(part)
        assert gateway.ends <= 1, "it ends twice"
        while manner & 1 and answered < len(gateway.questions):
            gateway.answer(gateway.questions[answered])
            answered += 1
    assert not any(question.cancelled for question in gateway.questions), "nothing was lost"
    asked = [question.asked for question in gateway.questions]
    errors = [(str(error), getattr(error, "code", "")) for error in gateway.errors]
    rest = gateway.handshake.rest() if gateway.established_ else b""
    return bytes(gateway.sent), asked, errors, gateway.established_, rest
