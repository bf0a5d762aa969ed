"""What a running agent says of itself, at a real gateway in memory."""

from __future__ import annotations

import json
from typing import Any

from diglett.agent.report import Reporters
from diglett.agent.status.answers import Answers
from diglett.agent.status.board import Board
from diglett.plane.channel import Target
from tests.gateway.housekeeping import OK, HouseTestCase
from tests.gateway.people import Hand


class AnswersTests(HouseTestCase):
    """`Answers` and `Board`."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.house.backend()

    def come(self, *names: str, **options: Any) -> None:
        """An agent that can be asked."""
        self.board = Board(self.house.clock.seconds)
        hand = self.hand = self.started(*names, **options)
        self.answers = Answers(self.board, hand.service, "localhost:20000")

    def started(self, *names: str, **options: Any) -> Any:
        """Started when the board listens."""
        hand = Hand(self.house, names or ("example",), **options)
        hand.service._reporter = Reporters(hand.notes, self.board)
        self.hands.append(hand)
        hand.service.startService()
        self.plane.pump()
        return hand

    def ask(self, **question: Any) -> Any:
        """The answer, after as much time as it takes."""
        asking = self.answers(question or {"ask": "status"})
        self.plane.advance(4)
        return json.loads(json.dumps(self.successResultOf(asking)))

    def test_connected(self) -> None:
        """Everything is well: names, URLs, counts, and no reason for anything."""
        self.come("one", "two")
        visitor = self.visit(b"one")
        told = self.ask()
        self.assertEqual((told["ok"], told["state"]), (True, "connected"))
        self.assertEqual([tunnel["urls"] for tunnel in told["tunnels"]],
                         [["https://one.gateway.com"], ["https://two.gateway.com"]])  # fmt: skip
        self.assertEqual((told["streams"], told["streamsTotal"]), (1, 1))
        self.assertGreater(told["received"], 0)
        self.assertEqual((told["lastReason"], told["trouble"], told["nextTry"]), ("", "", None))
        self.services.say(0, OK)
        self.assertEqual(self.status(visitor), 200)

    def test_backendDown(self) -> None:
        """A backend that cannot be reached makes all of it not well."""
        self.come("example", "gone", backends=(9_000, 9_999))
        told = self.ask()
        self.assertEqual((told["ok"], told["state"]), (False, "connected"))
        self.assertEqual([tunnel["reachable"] for tunnel in told["tunnels"]], [True, False])
        self.assertEqual(told["tunnels"][1]["reason"], "connection refused")

    def test_backendSilent(self) -> None:
        """One that does not answer is not reached, however long it may take to fail."""
        self.come()
        self.plane.silent.add(Target("localhost", 9_000))
        self.assertIn("no answer within", self.ask()["tunnels"][0]["reason"])

    def test_silent(self) -> None:
        """A gateway that does not answer shows at once, though the link is there."""
        self.come()
        self.hand.channel.freeze()
        told = self.ask()
        self.assertEqual((told["ok"], told["state"]), (False, "silent"))
        self.plane.advance(5)
        self.assertGreater(self.ask()["silence"], 4)

    def test_away(self) -> None:
        """Without a gateway it says since when, why, and when it tries again; and what was carried is remembered."""
        self.come()
        before = self.ask()
        self.house.shut()
        self.hand.channel.reset()
        self.plane.advance(1)
        told = self.ask()
        self.assertEqual((told["ok"], told["state"], told["connected"], told["roundTrip"]),
                         (False, "connecting", None, None))  # fmt: skip
        self.assertIn("connection", told["lastReason"])
        self.assertIn("connection refused", told["trouble"])
        self.assertGreaterEqual(told["received"], before["received"])
        self.house.open()
        self.plane.advance(16)
        told = self.ask()
        self.assertEqual((told["state"], told["reconnects"], told["trouble"]), ("connected", 1, ""))
        self.assertNotEqual(told["lastDown"], None)

    def test_stopping(self) -> None:
        """An agent that finishes its last streams is not connected any more."""
        self.come()
        self.visit()
        self.hand.service.stopService()
        self.plane.pump()
        told = self.ask()
        self.assertEqual((told["ok"], told["state"], told["streams"]), (False, "stopping", 1))

    def test_expect(self) -> None:
        """A test visitor that comes is told of once; nonsense is not waited for."""
        self.come()
        marker = (b" /x/" + b"m" * 20).hex()
        self.assertEqual(self.ask(ask="expect", marker=marker, answer=OK.hex(), seconds=10), {"expecting": True})
        seeing = self.answers({"ask": "seen", "marker": marker})
        visitor = self.house.connect(8_080)
        visitor.send(b"GET /x/" + b"m" * 20 + b" HTTP/1.1\r\nHost: example.gateway.com\r\n\r\n")
        self.plane.pump()
        self.assertEqual(self.successResultOf(seeing), {"seen": True})
        self.assertRaises(ValueError, self.answers, {"ask": "seen", "marker": marker})
        for question in (
            {"ask": "expect", "marker": "", "answer": "", "seconds": 1},
            {"ask": "expect", "marker": marker, "answer": "", "seconds": 1e9},
            {"ask": "expect", "marker": "zz" * 20, "answer": "", "seconds": 1},
            {"ask": "token"},
            {},
        ):
            self.assertRaises(ValueError, self.answers, question)
