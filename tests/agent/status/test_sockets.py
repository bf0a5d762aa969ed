"""The sockets on which running agents are asked."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import tempfile
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.status import sockets
from diglett.agent.status.asking import ask, askAll
from diglett.agent.status.sockets import NoSockets, checkSockets, connectTo, listenIn, socketsIn
from diglett.errors import UsageError


class SocketsTestCase(SynchronousTestCase):
    """A state folder with a short path, as most have."""

    def setUp(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="dt-"))
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)

    def listen(self) -> tuple[socket.socket, Path]:
        """One more agent."""
        listening, path = listenIn(self.state)
        self.addCleanup(listening.close)
        return listening, path


class ListenTests(SocketsTestCase):
    """`listenIn`, `socketsIn` and `connectTo`."""

    def test_private(self) -> None:
        """Folder and socket are the owner's alone, whatever the umask is."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        _, path = self.listen()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)

    def test_found(self) -> None:
        """Every agent is found, with its process id, and can be connected to."""
        for _ in range(2):
            self.listen()
        found = socketsIn(self.state)
        self.assertEqual([pid for pid, _ in found], [os.getpid()] * 2)
        for _, path in found:
            connection = connectTo(path, 5)
            assert connection is not None
            connection.close()

    def test_stale(self) -> None:
        """What a dead process has left is removed by whoever asks, and by the next agent."""
        for clean in (lambda: askAll(self.state), self.listen):
            listening, path = self.listen()
            listening.close()
            clean()
            self.assertFalse(path.exists())

    def test_unfinished(self) -> None:
        """What a process left that died before it listened goes as well, but not at once: one may be at it now."""
        self.listen()
        old, new = (self.state / "agents" / f"{name}.new" for name in ("old", "new"))
        for path in (old, new):
            path.touch()
        os.utime(old, (0, 0))
        self.listen()
        self.assertEqual((old.exists(), new.exists()), (False, True))

    def test_strangers(self) -> None:
        """Other files are left alone."""
        self.listen()
        other = self.state / "agents" / "notes.txt"
        other.touch()
        self.assertEqual(len(socketsIn(self.state)), 1)
        self.assertTrue(other.exists())

    def test_deep(self) -> None:
        """A path that is too long for a socket will do where the system has another name for it."""
        self.state = self.state / ("deep" * 40)
        self.state.mkdir(mode=0o700)
        if not os.path.isdir("/proc/self/fd"):
            self.assertRaises(OSError, listenIn, self.state)
            return
        _, path = self.listen()
        connection = connectTo(path, 5)
        assert connection is not None
        connection.close()
        descriptors = len(os.listdir("/proc/self/fd"))
        self.listen()[0].close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)

    def test_noFolder(self) -> None:
        """Without the folder there is no agent, and one that cannot be used is said so."""
        self.assertEqual(socketsIn(self.state / "nowhere"), [])
        file = self.state / "file"
        file.touch()
        self.assertRaises(UsageError, listenIn, file)

    def test_noSockets(self) -> None:
        """A system without such sockets is told of, with what works there."""
        self.patch(sockets, "socket", object())
        error = self.assertRaises(NoSockets, checkSockets)
        self.assertIn("diglett doctor", str(error))


class AskTests(SocketsTestCase):
    """`ask` and `askAll`."""

    def answering(self, *answers: bytes) -> Path:
        """An agent that says this, whatever it is asked."""
        listening, path = self.listen()
        listening.setblocking(True)

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1_000)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        return path

    def test_answer(self) -> None:
        """An answer comes as it was meant."""
        path = self.answering(b'{"ok": true}\n')
        self.assertEqual(ask(path, {"ask": "status"}, 5), {"ok": True})

    def test_noAnswer(self) -> None:
        """One that does not answer, answers nonsense or stops half-way is listed as not answering."""
        self.answering(b"[]\n", b'{"ok": tr', b'{"error": "what?"}\n')
        for _ in range(3):
            [told] = askAll(self.state)
            self.assertEqual((told.pid, told.answer), (os.getpid(), None))

    def test_hung(self) -> None:
        """One that takes the connection and says nothing has its time, and no more."""
        self.listen()
        [told] = askAll(self.state, 0.05)
        self.assertIsNone(told.answer)

    def test_question(self) -> None:
        """A question is one line of JSON."""
        listening, path = self.listen()
        listening.setblocking(True)
        heard: list[bytes] = []

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(1_000))
                connection.sendall(b"{}\n")

        thread = threading.Thread(target=serve)
        thread.start()
        ask(path, {"ask": "status"}, 5)
        thread.join()
        self.assertEqual(json.loads(heard[0]), {"ask": "status"})
        self.assertTrue(heard[0].endswith(b"\n"))
