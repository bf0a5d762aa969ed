"""The recorded connection of `docs/vectors/diglett-v1.json`, as values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import frozen

from diglett.wire.frames import Kind
from diglett.wire.v1.cipher import KeyPair, KeyStream

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "docs" / "vectors" / "diglett-v1.json").read_text(encoding="utf-8")
)
_KINDS = {
    "Ok": Kind.OK,
    "Error": Kind.ERROR,
    "Register": Kind.REGISTER,
    "FinishRegister": Kind.FINISH_REGISTER,
    "Payload": Kind.PAYLOAD,
    "Close": Kind.CLOSE,
    "Terminate": Kind.TERMINATE,
    "Login": Kind.LOGIN,
}


@frozen
class RecordedFrame:
    """A frame, and how it looked on the wire."""

    kind: Kind
    id: int
    payload: bytes
    plain: bytes
    encrypted: bytes


@frozen
class Direction:
    """What one side sent."""

    preface: bytes
    frames: tuple[RecordedFrame, ...]
    everything: bytes


def _direction(name: str) -> Direction:
    recorded = VECTORS[name]
    frames = (
        RecordedFrame(
            _KINDS[each["kind"]],
            each["id"],
            bytes.fromhex(each["payload"]),
            bytes.fromhex(each["plain"]),
            bytes.fromhex(each["encrypted"]),
        )
        for each in recorded["frames"]
    )
    return Direction(bytes.fromhex(recorded["handshake"]), tuple(frames), bytes.fromhex(recorded["all bytes"]))


AGENT = _direction("agent to server")
GATEWAY = _direction("server to agent")
MATERIAL = bytes.fromhex(VECTORS["shared"]["sha512"])


def agentPair() -> KeyPair:
    """The keys that the agent had."""
    return KeyPair(bytes.fromhex(VECTORS["agent"]["secret"]))


def gatewayPair() -> KeyPair:
    """The keys that the gateway had."""
    return KeyPair(bytes.fromhex(VECTORS["server"]["secret"]))


class Cryptographer:
    """One direction of somebody who holds the keys."""

    def __init__(self, material: bytes = MATERIAL) -> None:
        self._stream = KeyStream(material)

    def apply(self, data: bytes) -> bytes:
        """Encrypt or decrypt."""
        out = bytearray(len(data))
        self._stream.apply(data, memoryview(out))
        return bytes(out)
