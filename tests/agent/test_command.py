"""The command `diglett`, once its words are read."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _installed  # noqa: F401
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent import agent, command, logging, parts
from diglett.agent.backend import DialledBackend, TLSBackend
from diglett.agent.folder import FolderBackend
from diglett.config.agent import AgentConfig, agentConfig
from diglett.errors import DiglettError, LinkLost, LoginRefused, UsageError
from diglett.plane.channel import Target
from diglett.testing import MemoryPlane
from twisted import internet


def configure(line: str, **environ: str) -> AgentConfig:
    """A configuration of a gateway, a backend and what else there is to say."""
    given: dict[str, Any] = {"gateway": "localhost"}
    backend = "localhost:9000"
    for word in line.split():
        key, _, value = word.partition("=")
        if key == "backend":
            backend = value
        else:
            given[key] = value or True
    return agentConfig(given, [{"name": "example", "backend": backend}], environ)


class Reactor(Clock):
    """As much of a reactor as the command uses."""

    running = False

    def __init__(self) -> None:
        super().__init__()
        self.begin: list[Any] = []

    def callWhenRunning(self, call: Any) -> None:
        self.begin.append(call)

    def callFromThread(self, call: Any) -> None:
        call()

    def run(self, installSignalHandlers: bool) -> None:
        self.running = True
        for call in self.begin:
            call()

    def stop(self) -> None:
        self.running = False


class Service:
    """An agent that ends with this."""

    def __init__(self, error: DiglettError | None) -> None:
        self.done: Deferred[Any] = Deferred()
        self.error = error
        self.calls: list[str] = []

    def startService(self) -> None:
        self.done.callback(self.error)

    def stopService(self) -> None:
        self.calls.append("stop")

    def abandon(self) -> None:
        self.calls.append("abandon")


class SignalsTestCase(SynchronousTestCase):
    """Signals are as they were in the end."""

    def setUp(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.addCleanup(signal.signal, name, signal.getsignal(name))


class RunTests(SignalsTestCase):
    """`run`."""

    def run_(self, error: DiglettError | None, line: str = "") -> tuple[int, str]:
        """The exit status of an agent that ends like this, and what it has said."""
        reactor = Reactor()
        self.patch(internet, "reactor", reactor)
        self.patch(agent, "makeAgent", lambda reactor, config, reporter: Service(error))
        self.patch(logging, "startLogging", lambda debug, format: None)
        err, out = io.StringIO(), io.StringIO()
        self.patch(command.TextReporter.__init__.__globals__["sys"], "stderr", err)
        self.patch(command.TextReporter.__init__.__globals__["sys"], "stdout", out)
        status = command.run(configure(line))
        self.assertFalse(reactor.running)
        return status, err.getvalue() + out.getvalue()

    def test_statuses(self) -> None:
        """Asked to stop is 0, refused for good is 3, anything else that it gave up over is 1."""
        self.assertEqual(self.run_(None), (0, ""))
        status, said = self.run_(LoginRefused("the gateway does not accept these credentials"))
        self.assertEqual(status, 3)
        self.assertIn("--token", said)
        self.assertEqual(self.run_(LinkLost("connection refused"))[0], 1)

    def test_json(self) -> None:
        """As JSON it says the same to programs."""
        self.assertIn('"event": "stopped"', self.run_(LinkLost("connection refused"), "log-format=json")[1])

    def test_signals(self) -> None:
        """The first signal lets streams finish, the second does not."""
        service = Service(None)
        command._onSignals(Reactor(), service)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(service.calls, ["stop", "abandon"])


class TokenTests(SynchronousTestCase):
    """Which token is shown to whom."""

    def setUp(self) -> None:
        self.own = Path(self.mktemp())
        self.own.write_text("dig_own\n")

    def token(self, line: str, **environ: str) -> str | None:
        return parts.tokenOf(configure(line, **environ), self.own)()

    def test_given(self) -> None:
        """The one that was given goes to whatever gateway was given."""
        self.assertEqual(self.token("gateway=gateway.com token=dig_given"), "dig_given")
        self.assertEqual(self.token("token=dig_given"), "dig_given")
        self.assertEqual(self.token("gateway=gateway.com", DIGLETT_TOKEN="dig_variable"), "dig_variable")

    def test_own(self) -> None:
        """The user's own one goes to the user's own machine."""
        for host in ("localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]"):
            self.assertEqual(self.token(f"gateway={host}:20000"), "dig_own", host)

    def test_notToOthers(self) -> None:
        """It goes to nobody else, however local the name looks."""
        for host in (
            "gateway.com", "127.evil.org", "127.0.0.1.evil.org", "localhost.evil.org", "192.0.2.1", "[2001:db8::1]",
            "xlocalhost",
        ):  # fmt: skip
            self.assertIsNone(self.token(f"gateway={host}"), host)

    def test_none(self) -> None:
        """Without one there is none, and an empty file is none."""
        self.own.write_text("\n")
        self.assertIsNone(self.token(""))
        self.own.unlink()
        self.assertIsNone(self.token(""))

    def test_file(self) -> None:
        """A token file is read at each attempt; one that has lost its token is an error."""
        path = Path(self.mktemp())
        path.write_text("dig_one\n")
        path.chmod(0o600)
        read = parts.tokenOf(configure(f"gateway=gateway.com token-file={path}"), self.own)
        self.assertEqual(read(), "dig_one")
        path.write_text("dig_two\n")
        self.assertEqual(read(), "dig_two")
        path.write_text("")
        self.assertRaises(UsageError, read)


class MakeTests(SynchronousTestCase):
    """`makeAgent`: everything in its place."""

    def test_backends(self) -> None:
        """Each way to write a backend is the right kind of one."""
        plane = MemoryPlane()
        folder = Path(self.mktemp())
        folder.mkdir()
        for text, kind, target in (
            ("localhost:9000", DialledBackend, Target("localhost", 9_000)),
            ("unix:/run/x", DialledBackend, Target(path="/run/x")),
            ("http://localhost:8000", DialledBackend, Target("localhost", 8_000)),
            ("https://localhost", TLSBackend, Target("localhost", 443)),
            (str(folder.absolute()), FolderBackend, None),
        ):
            config = configure(f"backend={text}")
            made = parts.makeBackend(plane, config, config.tunnels[0].backend)
            self.assertIs(type(made), kind, text)
            if target is not None:
                self.assertEqual(made._target, target)

    def test_unusable(self) -> None:
        """A file that cannot be read is told of before anything is dialled."""
        config = configure("ca=/nowhere/ca.pem")
        self.assertRaises(UsageError, parts.makeAgent, Clock(), config, None)
