"""What people and programs see of running agents."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.status import command
from diglett.agent.status.answers import asJson
from diglett.agent.status.asking import Told
from diglett.agent.status.show import describe, duration, size
from diglett.config.options import StatusOptions
from diglett.status import RunningAgent, TunnelStatus

WELL = RunningAgent(
    pid=7, version="1", gateway="gateway.com:20000", started="2026-11-23T04:00:00.000+00:00", state="connected",
    connectedSince="2026-11-23T04:00:00.000+00:00", connected=200.0, silence=0.0, roundTrip=0.0123, reconnects=1,
    lastDown="2026-11-23T03:59:59.000+00:00", lastReason="the other side closed the link", lastCode="link-lost",
    trouble="", nextTry=None, streams=1, streamsTotal=2, received=1_500_000, sent=999,
    tunnels=(TunnelStatus("example", "http", ("https://example.gateway.com",), "localhost:9000", True, ""),),
)  # fmt: skip


class DescribeTests(SynchronousTestCase):
    """`describe`."""

    def said(self, **changes: Any) -> str:
        """About an agent that differs so much from one that is well."""
        return "\n".join(describe(7, asJson(evolve(WELL, **changes))))

    def test_well(self) -> None:
        """One line for the link, one for each name, one for what was carried, one for the last loss."""
        self.assertEqual(
            self.said().splitlines(),
            [
                "agent 7 at gateway.com:20000: connected for 3 min, round trip 12.3 ms",
                "  example  https://example.gateway.com -> localhost:9000",
                "  1 stream open, 2 in all; 1.5 MB received, 999 B sent; reconnected 1 time",
                "  last down 2026-11-23 03:59:59 UTC: the other side closed the link",
            ],
        )

    def test_notWell(self) -> None:
        """What is wrong stands out."""
        self.assertIn("SILENT", self.said(state="silent", silence=12.0))
        down = self.said(state="connecting", trouble="connection refused", nextTry=2.5)
        self.assertIn("NOT CONNECTED: connection refused; next try in 2.5 s", down)
        broken = evolve(WELL.tunnels[0], reachable=False, reason="connection refused", urls=())
        self.assertIn("(no URL yet) -> localhost:9000  BACKEND DOWN: connection refused", self.said(tunnels=(broken,)))
        self.assertIn("does not answer", "\n".join(describe(7, None)))
        self.assertIn("stopping", self.said(state="stopping"))

    def test_units(self) -> None:
        """Times and sizes are short."""
        self.assertEqual([duration(s) for s in (0, 59, 60, 7_200, 200_000)], ["0 s", "59 s", "1 min", "2 h", "2 d"])
        sizes = ["0 B", "999 B", "1.0 kB", "5.0 TB", "5000.0 TB"]
        self.assertEqual([size(b) for b in (0, 999, 1_000, 5e12, 5e15)], sizes)


class CommandTests(SynchronousTestCase):
    """`diglett status`: the exit status and the document."""

    def run_(self, *agents: RunningAgent | None, json: bool = False) -> tuple[int, str]:
        """With these agents."""
        told = [Told(7, Path("x"), None if agent is None else asJson(agent)) for agent in agents]
        self.patch(command, "askAll", lambda state: told)
        out = io.StringIO()
        return command.run(StatusOptions("nowhere", json), out), out.getvalue()

    def test_statuses(self) -> None:
        """0 when all are well, 1 when one is not, 4 without any."""
        unwell = evolve(WELL, state="silent")
        broken = evolve(WELL, tunnels=(evolve(WELL.tunnels[0], reachable=False),))
        for agents, status in (
            ((WELL, WELL), 0), ((WELL, unwell), 1), ((broken,), 1), ((None,), 1), ((WELL, None), 1), ((), 4),
        ):  # fmt: skip
            self.assertEqual(self.run_(*agents)[0], status)
            self.assertEqual(self.run_(*agents, json=True)[0], status)

    def test_json(self) -> None:
        """The document holds what the agents said, and those that said nothing."""
        _, said = self.run_(WELL, None, json=True)
        one, two = json.loads(said)["agents"]
        self.assertEqual((one["ok"], one["roundTrip"]), (True, 0.0123))
        self.assertEqual(two, {"pid": 7, "state": "not-answering", "ok": False})
