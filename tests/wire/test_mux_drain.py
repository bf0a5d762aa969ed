"""How a link empties, and how it ends: `docs/wire.md`, section 8."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused
from diglett.wire.frames import Kind, Reason, encodeClose, encodeFrame
from tests.wire.playing import Side, check, room
from tests.wire.test_mux_streams import finish, openFrame, payload


class DrainTests(SynchronousTestCase):
    """No new streams; the old ones go on."""

    def test_gateways(self) -> None:
        """The gateway that drains opens none, and what is open goes on."""
        gateway, agent = Side(opens=True), Side()
        old = gateway.open()
        gateway.mux.drain()
        gateway.mux.drain()
        self.assertEqual(self.assertRaises(Refused, gateway.open).code, "draining")
        gateway.mux.write(old.stream, b"goes on")
        frames = gateway.take()
        self.assertEqual([kind for kind, _, _ in frames], [Kind.OPEN, Kind.DRAIN, Kind.PAYLOAD])
        agent.receive(*(encodeFrame(*frame) for frame in frames))
        self.assertEqual((agent.calls[1:], agent.endpoints[1].heard), (["draining"], b"goes on"))
        agent.mux.write(agent.endpoints[1].stream, b"answer")
        gateway.receive(*(encodeFrame(*frame) for frame in agent.take()))
        self.assertEqual(old.heard, b"answer")

    def test_agents(self) -> None:
        """The gateway opens none towards an agent that drains, and hears of it once."""
        gateway = Side(opens=True)
        gateway.open()
        gateway.receive(encodeFrame(Kind.DRAIN, 0), encodeFrame(Kind.DRAIN, 0))
        self.assertEqual(gateway.calls, ["draining"])
        self.assertEqual(self.assertRaises(Refused, gateway.open).code, "draining")
        self.assertEqual(len(gateway.mux.streams), 1)

    def test_crossing(self) -> None:
        """An Open that was on its way when the agent said Drain is refused, safe to be tried elsewhere."""
        agent = Side()
        agent.mux.drain()
        agent.receive(openFrame(1))
        self.assertEqual((agent.closes(), agent.calls), ([(1, Reason.REFUSED)], []))

    def test_afterTheirs(self) -> None:
        """An Open after the gateway's own Drain is refused, too."""
        agent = Side()
        agent.receive(encodeFrame(Kind.DRAIN, 0), openFrame(1))
        self.assertEqual((agent.closes(), agent.calls), ([(1, Reason.REFUSED)], ["draining"]))

    def test_emptied(self) -> None:
        """The driver hears when the last stream of a draining link is over, however it ended and whoever drains."""
        for drain in ("ours", "theirs"):
            for end in ("finish", "close", "their close", "failure"):
                side = Side()
                side.receive(openFrame(1), openFrame(3))
                side.mux.close(side.endpoints[3].stream)
                self.assertNotIn("emptied", side.calls)
                side.mux.drain() if drain == "ours" else side.receive(encodeFrame(Kind.DRAIN, 0))
                self.assertNotIn("emptied", side.calls)
                if end == "finish":
                    side.receive(finish(1))
                    side.mux.finish(side.endpoints[1].stream)
                elif end == "close":
                    side.mux.close(side.endpoints[1].stream)
                elif end == "their close":
                    side.receive(encodeClose(1, 0))
                else:
                    side.receive(finish(1), payload(1, b"x"))
                self.assertEqual(side.calls.count("emptied"), 1, (drain, end))


class LostTests(SynchronousTestCase):
    """When the link is gone."""

    def test_all(self) -> None:
        """All streams are closed for that reason, and nothing is kept or sent any more."""
        side = Side(opens=True, takes=0)
        ends = [side.open() for _ in range(3)]
        side.receive(payload(1, bytes(1_000)))
        side.mux.block()
        for each in ends:
            self.assertIsNone(room(side.mux, each.stream))
        side.mux.lost("the link broke")
        self.assertEqual([each.ending for each in ends], [(Reason.LOST, "the link broke")] * 3)
        self.assertEqual((side.mux.streams, side.mux.undelivered, side.mux.output()), ({}, 0, []))
        check(side)
        side.mux.unblock()
        self.assertEqual([each.resumed for each in ends], [0, 0, 0])

    def test_afterwards(self) -> None:
        """Whatever is asked of it later is harmless, for as long as somebody asks."""
        side = Side(opens=True)
        end = side.open()
        side.take()
        side.mux.lost("gone")
        side.mux.finish(end.stream)
        side.mux.close(end.stream)
        side.mux.drain()
        side.mux.terminate()
        self.assertIsNone(room(side.mux, end.stream))
        for _ in range(100_000):
            side.mux.ping(b"12345678")
        self.assertRaises(Refused, side.open)
        self.assertEqual((side.take(), end.ending), ([], (Reason.LOST, "gone")))
        side.mux.unblock()
        self.assertEqual((side.take(), side.mux.write(end.stream, b"x")), ([], 0))
        check(side)

    def test_inTheMiddle(self) -> None:
        """When the link ends within a piece, what stands behind is not looked at: nobody hears of a dead link."""
        side: Any = Side()

        def terminated() -> None:
            side.calls.append("terminated")
            side.mux.lost("the other side ended the link")

        side.terminated = terminated
        data = encodeFrame(Kind.TERMINATE, 0) + encodeFrame(Kind.DRAIN, 0) + openFrame(1) + b"\xff" * 20
        self.assertEqual(side.receive(data), len(data))
        self.assertEqual((side.calls, side.take()), (["terminated"], []))

    def test_byAnEndpoint(self) -> None:
        """The same when an endpoint's own doing ends it."""
        side: Any = Side()
        side.receive(openFrame(1))
        side.mux.drain()
        side.emptied = lambda: side.mux.lost("closed")
        end = side.endpoints[1]
        end.finished = lambda: side.mux.finish(end.stream)
        side.receive(finish(1), encodeFrame(Kind.DRAIN, 0), encodeFrame(Kind.PING, 0, b"12345678"))
        self.assertEqual((side.calls[1:], side.mux.streams), ([], {}))
