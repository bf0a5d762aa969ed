"""Where a running agent is asked."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.status.door import ASKING_TIMEOUT, CALLERS_MAX, LINE_MAX, Door, _Callers
from diglett.agent.status.sockets import connectTo, socketsIn


class Reactor(Clock):
    """As much of a reactor as the door uses."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []
        self.adopted: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def adoptStreamConnection(self, fd: int, family: int, factory: Any) -> None:
        self.adopted.append(factory)


class DoorTests(SynchronousTestCase):
    """`Door`, and those who come to it."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.questions: list[Mapping[str, Any]] = []
        self.pending: Deferred[dict[str, Any]] | None = None
        self.callers = _Callers(self.reactor, self.answer)
        self.addCleanup(lambda: self.assertEqual(self.reactor.getDelayedCalls(), []))

    def answer(self, question: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        """What every question is answered with."""
        self.questions.append(question)
        if question.get("ask") == "nonsense":
            raise ValueError("the question is not known")
        if question.get("ask") == "bug":
            raise ZeroDivisionError("a bug")
        return self.pending if self.pending is not None else succeed({"ok": True})

    def come(self) -> tuple[Any, StringTransport]:
        """Somebody connects."""
        caller = self.callers.buildProtocol(None)
        transport = StringTransport()
        if caller is not None:
            caller.makeConnection(transport)
        return caller, transport

    def leave(self, *callers: Any) -> None:
        """They hang up."""
        for caller in callers:
            caller.connectionLost()

    def test_answer(self) -> None:
        """One line in, one line out, and the end."""
        caller, transport = self.come()
        caller.dataReceived(b'{"ask": "status"}\n{"ask": "status"}\n')
        self.assertEqual(json.loads(transport.value()), {"ok": True})
        self.assertEqual(len(self.questions), 1)
        self.assertTrue(transport.disconnecting)
        self.leave(caller)

    def test_nonsense(self) -> None:
        """What is no question is answered with an error; a bug is logged, and does not end the agent."""
        for line in (b"\xff\n", b"[]\n", b'{"ask": "nonsense"}\n'):
            caller, transport = self.come()
            caller.dataReceived(line)
            self.assertIn("error", json.loads(transport.value()))
            self.leave(caller)
        caller, transport = self.come()
        caller.dataReceived(b'{"ask": "bug"}\n')
        self.assertIn("error", json.loads(transport.value()))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.leave(caller)

    def test_slow(self) -> None:
        """Who connects and asks nothing is not waited for; who waits for an answer is not hurried."""
        caller, transport = self.come()
        self.reactor.advance(ASKING_TIMEOUT + 1)
        self.assertTrue(transport.disconnecting or transport.disconnected)
        self.leave(caller)
        self.pending = Deferred()
        caller, transport = self.come()
        caller.dataReceived(b"{}\n")
        self.reactor.advance(100)
        self.assertFalse(transport.disconnecting)
        self.pending.callback({})
        self.leave(caller)

    def test_endless(self) -> None:
        """A question without an end is not kept."""
        caller, transport = self.come()
        caller.dataReceived(b"x" * (LINE_MAX + 10))
        self.assertTrue(transport.disconnected)
        self.leave(caller)

    def test_tooMany(self) -> None:
        """Only so many are heard at once."""
        all_ = [self.come()[0] for _ in range(CALLERS_MAX)]
        self.assertIsNone(self.come()[0])
        self.leave(all_.pop())
        all_.append(self.come()[0])
        self.assertIsNotNone(all_[-1])
        self.leave(*all_)

    def test_leaves(self) -> None:
        """Who hangs up before the answer is forgotten."""
        self.pending = Deferred()
        caller, _ = self.come()
        caller.dataReceived(b"{}\n")
        self.leave(caller)
        self.pending.callback({})
        self.assertEqual(self.callers.callers, set())

    def test_open(self) -> None:
        """It listens from `open` to `close`, and then nothing is left."""
        state = Path(tempfile.mkdtemp(prefix="dt-"))
        self.addCleanup(shutil.rmtree, state)
        door = Door(self.reactor, state, self.answer)
        door.open()
        [(_, path)] = socketsIn(state)
        connection = connectTo(path, 5)
        assert connection is not None
        self.addCleanup(connection.close)
        [port] = self.reactor.readers
        port.doRead()
        self.assertEqual(len(self.reactor.adopted), 1)
        port.doRead()  # nobody else is there
        door.close()
        door.close()
        self.assertEqual((self.reactor.readers, socketsIn(state)), ([], []))

    def test_cannot(self) -> None:
        """Where it cannot listen the agent does without."""
        file = Path(self.mktemp())
        file.touch()
        door = Door(self.reactor, file, self.answer)
        door.open()
        door.close()
        Door(Clock(), file, self.answer).open()
        self.assertEqual(self.reactor.readers, [])
