"""`diglett.expose` and what it gives, with a gateway in memory and a reactor's thread that is always quicker."""

from __future__ import annotations

import os
from typing import Any

import diglett
from diglett import api
from diglett.api import loop, threaded
from diglett.errors import Refused, UsageError
from tests.api.rig import ProgramTestCase


class ThreadedTestCase(ProgramTestCase):
    """A program that knows nothing of Twisted."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(threaded, "runningReactor", lambda: self.reactor)
        self.patch(threaded, "startPythonLogging", lambda: None)
        self.patch(loop, "LOOK", 0.001)
        self.patch(loop, "isInIOThread", lambda: False)
        self.addCleanup(lambda: self.assertEqual(threaded._open, set()))

    def expose(self, **options: Any) -> api.Tunnel:
        """One that is up, closed in the end."""
        tunnel = diglett.expose(9000, **{"name": "example", **self.options, **options})
        self.addCleanup(tunnel.close, 0.0)
        return tunnel


class ExposeTests(ThreadedTestCase):
    """The two lines."""

    def test_two(self) -> None:
        """The name stands inside, and is gone behind."""
        with diglett.expose(9000, name="example", **self.options) as tunnel:
            self.assertIsInstance(tunnel, diglett.Tunnel)
            self.assertEqual((tunnel.name, tunnel.connected, tunnel.closed), ("example", True, False))
            self.assertEqual(tunnel.url, tunnel.urls[0])
            self.assertEqual(repr(tunnel), f"<{tunnel.url} -> localhost:9000, connected>")
            self.assertEqual(len(self.house.registrar.standing), 1)
        self.assertEqual((tunnel.connected, tunnel.closed), (False, True))
        self.assertEqual(self.house.registrar.standing, [])

    def test_refused(self) -> None:
        """What `connect` fails with is raised; nothing is left of it."""
        self.assertRaises(Refused, self.expose, token="wrong")
        self.assertRaises(UsageError, self.expose, type="udp")
        self.assertEqual(self.reactor.triggers, [])

    def test_interrupted(self) -> None:
        """Ctrl-C while it waits ends the attempt, and one that has succeeded in the same moment."""

        def interrupt(question: Any) -> Any:
            raise KeyboardInterrupt

        self.patch(loop.Question, "answer", interrupt)
        for there in (True, False):
            if not there:
                self.house.shut()
            self.assertRaises(KeyboardInterrupt, self.expose)
            self.plane.advance(20)
            self.assertEqual((self.house.registrar.standing, self.reactor.triggers), ([], []))

    def test_ownThread(self) -> None:
        """In the reactor's own thread nothing waits for it: the error says what to use instead."""
        tunnel = self.expose()
        self.patch(loop, "isInIOThread", lambda: True)
        for call in (self.expose, tunnel.close, tunnel.wait, tunnel.status):
            self.assertIn("diglett.connect", str(self.assertRaises(RuntimeError, call)))
        self.patch(loop, "isInIOThread", lambda: False)

    def test_reactorIsOver(self) -> None:
        """A reactor that was stopped answers nothing, and nobody waits for it."""
        tunnel = self.expose()
        self.reactor.running = False
        self.assertIn("has been stopped", str(self.assertRaises(RuntimeError, tunnel.wait)))
        self.reactor.running = True


class TunnelTests(ThreadedTestCase):
    """One that is up."""

    def test_wait(self) -> None:
        """It is over when it was closed, and not sooner."""
        tunnel = self.expose()
        self.assertFalse(tunnel.wait(0))
        self.assertFalse(tunnel.wait(0.01))
        tunnel.close()
        self.assertTrue(tunnel.wait(0))
        self.assertTrue(tunnel.wait())
        tunnel.close()

    def test_waitForRefusal(self) -> None:
        """Why it is over is raised to everybody who asks."""
        tunnel = self.expose()
        self.house.book.accounts.clear()
        (session,) = self.house.agents
        session.end(Refused("crash", code="internal"))
        self.plane.advance(16)
        for _ in range(2):
            self.assertEqual(self.assertRaises(Refused, tunnel.wait).code, "login-refused")

    def test_status(self) -> None:
        """It is that of `diglett status`."""
        self.house.backend()
        tunnel = self.expose()

        def callFromThread(call: Any, *words: Any) -> None:
            call(*words)
            self.plane.advance(4)

        self.patch(self.reactor, "callFromThread", callFromThread)
        self.assertTrue(tunnel.status().ok)

    def test_exit(self) -> None:
        """At the program's end all that is open is closed."""
        tunnels = [self.expose(name=name) for name in ("one", "two")]
        threaded._closeAll()
        self.assertEqual([tunnel.closed for tunnel in tunnels], [True, True])
        self.assertEqual(self.house.registrar.standing, [])

    def test_fork(self) -> None:
        """A forked process has no tunnel, and closes none."""
        tunnel = self.expose()
        self.patch(tunnel, "_process", os.getpid() + 1)
        self.assertFalse(tunnel.connected)
        tunnel.close()
        threaded._closeAll()
        self.assertFalse(tunnel.closed)
        self.patch(tunnel, "_process", os.getpid())
        self.assertTrue(tunnel.connected)
        self.patch(loop, "_process", os.getpid() + 1)
        self.assertIn("forked", str(self.assertRaises(RuntimeError, loop.runningReactor)))


class FrontTests(ThreadedTestCase):
    """`import diglett`."""

    def test_names(self) -> None:
        """What it offers is there, and nothing else."""
        for name in diglett.__all__:
            self.assertIs(getattr(diglett, name), getattr(api, name))
        self.assertEqual(set(diglett.__all__), set(api.__all__))
        self.assertLessEqual({*diglett.__all__, "__version__"}, set(dir(diglett)))
        self.assertRaises(AttributeError, getattr, diglett, "exposed")
