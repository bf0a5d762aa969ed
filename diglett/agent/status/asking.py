"""Asking the running agents of this user, without a reactor: it is over in a moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import frozen

from diglett.agent.status.sockets import connectTo, socketsIn

ANSWER_TIMEOUT = 8.0
"""Seconds that an agent has: it tries its link and its backends meanwhile."""
ANSWER_MAX = 4 * 1_048_576
"""Bytes of an answer."""


@frozen
class Told:
    """What one agent has answered."""

    pid: int
    path: Path
    answer: dict[str, Any] | None
    """None: it is there and does not answer."""


def askAll(state: Path, timeout: float = ANSWER_TIMEOUT) -> list[Told]:
    """How each running agent is. Raises NoSockets."""
    told = []
    for pid, path in socketsIn(state):
        try:
            answer = ask(path, {"ask": "status"}, timeout)
        except (OSError, ValueError):
            told.append(Told(pid, path, None))
        else:
            if answer is not None:
                told.append(Told(pid, path, answer))
    return told


def ask(path: Path, question: dict[str, Any], timeout: float) -> dict[str, Any] | None:
    """
    The answer of one agent; None when it is no more.

    Raises OSError: it does not answer in time, or not to the end; ValueError: what it said is no answer.
    """
    connection = connectTo(path, timeout)
    if connection is None:
        return None
    with connection:
        connection.sendall(json.dumps(question).encode() + b"\n")
        data = bytearray()
        while not data.endswith(b"\n"):
            part = connection.recv(65_536)
            if not part or len(data) > ANSWER_MAX:
                raise ConnectionResetError("it stopped in the middle of its answer")
            data += part
    answer = json.loads(data)
    if not isinstance(answer, dict) or "error" in answer:
        raise ValueError("it does not understand the question")
    return answer
