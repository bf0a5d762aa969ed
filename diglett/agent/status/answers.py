"""What a running agent answers those who ask it: never that all is well without having tried."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from attrs import asdict
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.python.failure import Failure

from diglett import __version__
from diglett.agent.service import AgentService, Tunnel
from diglett.agent.status.board import Board
from diglett.eventlog import timestamp
from diglett.link.link import reasonOf
from diglett.plane.channel import Channel
from diglett.status import RunningAgent, TunnelStatus

PATIENCE = 3.0
"""Seconds that gateway and backends have to answer."""
EXPECT_MAX = 30.0
"""Seconds that a test visitor may be waited for."""


class Answers:
    """Questions and answers are JSON objects: `{"ask": "status"}`, and for test visitors `expect` and `seen`."""

    def __init__(self, board: Board, service: AgentService, gateway: str) -> None:
        self._board = board
        self._service = service
        self._gateway = gateway
        self._seen: dict[str, Deferred[bool]] = {}
        """Test visitors that are waited for, by their markers."""

    def __call__(self, question: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        """Answer. Raises ValueError: nobody knows what is meant."""
        if question.get("ask") == "status":
            return self.status().addCallback(asJson)
        if question.get("ask") == "expect":
            return self._expect(question)
        if question.get("ask") == "seen":
            return self._wasSeen(str(question.get("marker", "")))
        raise ValueError("the question is not known")

    def status(self) -> Deferred[RunningAgent]:
        """How everything is, after asking the gateway for a sign of life and reaching for each backend."""
        link = self._service.link
        alive = succeed(False) if link is None else link.probe(PATIENCE)
        tunnels = gatherResults([self._tunnel(number) for number in range(len(self._service.tunnels))])
        both: Deferred[Any] = gatherResults([alive, tunnels])
        return both.addCallback(lambda answers: self._put(link, *answers))

    def _tunnel(self, number: int) -> Deferred[TunnelStatus]:
        service = self._service
        tunnel = service.tunnels[number]
        urls = service.registered[number].urls if number < len(service.registered) else ()

        def tell(reason: str) -> TunnelStatus:
            return TunnelStatus(
                name=tunnel.register.name,
                type=tunnel.register.type,
                urls=tuple(urls),
                backend=tunnel.shown,
                reachable=not reason,
                reason=reason,
            )

        return whyUnreachable(tunnel, service.clock).addCallback(tell)

    def _put(self, link: Any, alive: bool, tunnels: list[TunnelStatus]) -> RunningAgent:
        board, service = self._board, self._service
        up = link is not None and service.link is link  # it may have gone while we asked
        state = "connecting"
        if not service.running:
            state = "stopping"
        elif up and board.since is not None:
            state = "connected" if alive else "silent"
        received, sent = service.carried
        return RunningAgent(
            pid=os.getpid(),
            version=__version__,
            gateway=self._gateway,
            started=timestamp(board.started),
            state=state,
            connectedSince=timestamp(board.since) if up and board.since is not None else None,
            connected=board.now - board.since if up and board.since is not None else None,
            silence=link.silence if up else 0.0,
            roundTrip=(link.mux.growth.roundTrip or None) if up else None,
            reconnects=board.reconnects,
            lastDown=timestamp(board.lastDown) if board.lastDown is not None else None,
            lastReason=board.lastReason,
            lastCode=board.lastCode,
            trouble="" if up else board.trouble,
            nextTry=max(0.0, board.due - board.now) if board.due is not None and not up else None,
            streams=service.streams,
            streamsTotal=service.streamsTotal,
            received=received,
            sent=sent,
            tunnels=tuple(tunnels),
        )

    def _expect(self, question: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        marker, answer = str(question.get("marker", "")), str(question.get("answer", ""))
        seconds = question.get("seconds")
        if len(marker) < 32 or not isinstance(seconds, (int, float)) or not 0 < seconds <= EXPECT_MAX:
            raise ValueError("the marker is no marker")
        self._seen[marker] = self._service.lookout.expect(bytes.fromhex(marker), bytes.fromhex(answer), seconds)
        self._service.clock.callLater(seconds + EXPECT_MAX, self._seen.pop, marker, None)
        return succeed({"expecting": True})

    def _wasSeen(self, marker: str) -> Deferred[dict[str, Any]]:
        seen = self._seen.pop(marker, None)
        if seen is None:
            raise ValueError("nobody is waited for who says this")
        return seen.addCallback(lambda found: {"seen": found})


def whyUnreachable(tunnel: Tunnel, clock: Any) -> Deferred[str]:
    """Why no connection to the backend can be made now; empty when one could."""

    def reached(channel: Channel) -> str:
        channel.close()
        return ""

    def failed(failure: Failure) -> str:
        return reasonOf(failure.value)

    def tooLate(result: object, timeout: float) -> Failure:
        return Failure(TimeoutError(f"no answer within {timeout:g} s"))

    reaching = tunnel.backend.reach()
    reaching.addTimeout(PATIENCE, clock, onTimeoutCancel=tooLate)
    return reaching.addCallbacks(reached, failed)


def asJson(agent: RunningAgent) -> dict[str, Any]:
    """For programs."""
    return {**asdict(agent), "ok": agent.ok}
