"""The published vectors, both ways: what is written there is what we say, and what we understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError
from diglett.wire.messages import Register
from tests.wire.handshake.talking import Agent, Gateway
from tests.wire.make_vectors import FILE, KINDS, encode, explain, record
from tests.wire.playing import Side, check

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


def conversations() -> Iterator[Any]:
    yield from VECTORS["handshakes"]
    yield from VECTORS["streams"]


def said(story: Any, who: str) -> bytes:
    """All bytes of one side."""
    return bytes.fromhex("".join(step["hex"] for step in story["steps"] if step["from"] == who))


def meanings(story: Any, who: str) -> list[Any]:
    """All that they mean."""
    return [each for step in story["steps"] if step["from"] == who for each in step["means"]]


class VectorTests(SynchronousTestCase):
    """`docs/vectors/wire-v2.json`."""

    def test_current(self) -> None:
        """The file is what the machines say today: when they change, run `python -m tests.wire.make_vectors`."""
        self.assertEqual(json.loads(json.dumps(record())), VECTORS)

    def test_decode(self) -> None:
        """The bytes mean what is written beside them."""
        for conversation in conversations():
            for step in conversation["steps"]:
                self.assertEqual(explain(bytes.fromhex(step["hex"])), step["means"], conversation["name"])

    def test_encode(self) -> None:
        """What is written there encodes to these bytes."""
        for conversation in conversations():
            for step in conversation["steps"]:
                self.assertEqual(b"".join(map(encode, step["means"])).hex(), step["hex"], conversation["name"])

    def test_complete(self) -> None:
        """Every kind of frame occurs."""
        said = {meaning.get("frame") for each in conversations() for step in each["steps"] for meaning in step["means"]}
        self.assertEqual(set(KINDS) - said, set())

    def test_agents(self) -> None:
        """An agent that hears what the gateway said there ends as it was told, byte by byte."""
        for story in VECTORS["handshakes"]:
            asked = [each["json"] for each in meanings(story, "agent") if each.get("frame") == "Register"]
            wanted = [Register(each["name"]) for each in asked] or [Register("example")]
            agent = Agent(wanted=wanted)
            for byte in said(story, "gateway"):
                agent.receive(bytes([byte]))
            last = meanings(story, "gateway")[-1]
            if last["frame"] == "Ok":
                (outcome,) = agent.outcomes
                self.assertEqual([each.name for each in outcome.registered], [each["name"] for each in asked])
                self.assertEqual(agent.errors, [])
            else:
                (error,) = agent.errors
                heard = {"code": error.code, "message": str(error), "permanent": error.permanent}  # type: ignore[attr-defined]
                self.assertEqual((heard, agent.outcomes), (last["json"], []), story["name"])

    def test_gateways(self) -> None:
        """A gateway that hears what the agent said there answers as written, byte by byte."""
        for story in VECTORS["handshakes"]:
            taken = "other" if story["name"] == "name taken" else ""
            gateway = Gateway(taken=taken, strangers=story["name"] == "login refused")
            for byte in said(story, "agent"):
                gateway.receive(bytes([byte]))
            if story["name"] != "too late":
                self.assertEqual(gateway.sent.hex(), said(story, "gateway").hex(), story["name"])

    def test_streams(self) -> None:
        """A mux that hears one side of the traffic, byte by byte, hears the payload, the ends and the reasons."""
        for story in VECTORS["streams"]:
            for who in ("gateway", "agent"):
                side = Side(opens=who == "agent", window=16_384, peerWindow=16_384)
                for _ in range(3 if who == "agent" else 0):
                    side.open()
                left = b""
                for byte in said(story, who):
                    left += bytes([byte])
                    left = left[side.mux.receive(memoryview(left)) :]
                self.assertEqual(left, b"")
                check(side)
                if story["name"] != "stream broken":
                    self.told(side, meanings(story, who))

    def told(self, side: Side, means: list[Any]) -> None:
        """Check that the endpoints were told what was written."""
        for id, end in side.endpoints.items():
            mine = [each for each in means if each["id"] == id]
            payload = [each.get("data", "00" * each.get("zeros", 0)) for each in mine if each["frame"] == "Payload"]
            self.assertEqual(end.heard.hex(), "".join(payload))
            self.assertEqual(end.ended, any(each["frame"] == "Finish" for each in mine))
            closes = [(each["code"], each["text"]) for each in mine if each["frame"] == "Close"]
            self.assertEqual([end.ending] if end.ending else [], closes)

    def test_linkErrors(self) -> None:
        """Each of these ends the link, on either side that it is meant for."""
        for each in VECTORS["link errors"]:
            for who in ("agent", "gateway") if each["to"] == "both" else (each["to"],):
                side = self.live(who)
                self.assertRaises(ProtocolError, side.receive, bytes.fromhex(each["hex"]))

    def test_ignored(self) -> None:
        """Each of these changes nothing, on either side."""
        for each in VECTORS["ignored"]:
            for who in ("agent", "gateway"):
                side = self.live(who)
                calls = list(side.calls)
                side.receive(bytes.fromhex(each["hex"]))
                end = side.endpoints[1]
                self.assertEqual((side.take(), side.calls, list(side.mux.streams)), ([], calls, [1]), each["about"])
                self.assertEqual((end.heard, end.ended, end.ending), (b"", False, None), each["about"])

    def live(self, who: str) -> Side:
        """A side on which stream 1 is open and nothing else has happened."""
        side = Side(opens=who == "gateway")
        if who == "gateway":
            side.open()
            side.take()
        else:
            side.receive(encode({"frame": "Open", "id": 1, "registration": 1, "way": 0, "visitor": "", "front": ""}))
        return side
