"""Listening ports: opaque bytes for anything that speaks TCP."""

from __future__ import annotations

import getpass
import socket
import threading

from tests.integration.services import python, sshd
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import Conversation, Hand, connect

HERE = f"{getpass.getuser()}@127.0.0.1"


class SshTests(TunnelTestCase):
    """OpenSSH: the server speaks first."""

    def test_command(self) -> None:
        """A command runs at the other end; its input, output and half-close go through."""
        port, words = sshd(self)
        gateway = self.tunnel(port, "--type", "tcp", name="shell")
        words += ["-p", str(gateway.listeningPort("shell")), HERE]
        self.assertEqual(self.perform("ssh", *words, "true"), b"")
        text = b"line\n" * 200_000
        self.assertEqual(self.perform("ssh", *words, "wc -c; echo done", input=text).split(), [b"1000000", b"done"])

    def test_files(self) -> None:
        """sftp brings files there and back."""
        port, words = sshd(self)
        gateway = self.tunnel(port, "--type", "tcp", name="shell")
        (self.folder / "here").write_bytes(bytes(range(256)) * 40_000)
        batch = f"put here {self.folder}/there\nget {self.folder}/there back\n".encode()
        self.perform(
            "sftp", "-b", "-", "-P", str(gateway.listeningPort("shell")), *words, HERE, input=batch
        )
        self.assertEqual((self.folder / "back").read_bytes(), (self.folder / "here").read_bytes())

    def test_url(self) -> None:
        """A name that only has a port is shown as that port."""
        gateway = self.gateway()
        agent = self.agent(gateway, "--type", "tcp", "-n", "shell", "22")
        shown = agent.waitFor(r"^(\S+) -> localhost:22$")[1]
        self.assertEqual(shown, f"tcp://127.0.0.1:{gateway.listeningPort('shell')}")


class EndTests(TunnelTestCase):
    """How connections end."""

    def setUp(self) -> None:
        """Play the backend."""
        super().setUp()
        self.hand = Hand(self)

    def pair(self) -> tuple[Conversation, Conversation]:
        """A visitor, and the backend's end of its connection."""
        self.port = self.tunnel(self.hand.port).listeningPort("example")
        return self.another()

    def another(self) -> tuple[Conversation, Conversation]:
        """One more of both."""
        return connect(self, self.port), self.hand.accept()

    def test_netcat(self) -> None:
        """`nc -N` sends all, says that it has, and gets all of the answer after that."""
        gateway = self.tunnel(python(self, "bulk"))
        port = str(gateway.listeningPort("example"))
        question = b"up\n" + b"some text\n" * 100_000
        said = self.perform("nc", "-N", "127.0.0.1", port, input=question)
        self.assertEqual(said, self.perform("sha256sum", input=question[3:])[:64] + b"\n")

    def test_visitorFinishes(self) -> None:
        """A visitor who sends no more still hears everything."""
        visitor, backend = self.pair()
        visitor.send(b"question")
        visitor.finish()
        self.assertEqual(backend.rest(), b"question")
        backend.send(b"answer" * 500_000)
        backend.socket.close()
        self.assertEqual(visitor.rest(), b"answer" * 500_000)

    def test_backendFinishes(self) -> None:
        """A backend that sends no more still hears everything."""
        visitor, backend = self.pair()
        backend.send(b"welcome")
        backend.finish()
        self.assertEqual(visitor.rest(), b"welcome")
        visitor.send(b"thanks" * 500_000)
        visitor.socket.close()
        self.assertEqual(backend.rest(), b"thanks" * 500_000)

    def test_speaksFirst(self) -> None:
        """The backend hears of a visitor who has not said a word."""
        visitor, backend = self.pair()
        backend.send(b"220 ready\r\n")
        self.assertEqual(visitor.line(), b"220 ready\r\n")

    def test_resets(self) -> None:
        """A reset at one side is a reset at the other."""
        visitor, backend = self.pair()
        backend.send(b"welcome")
        self.assertEqual(visitor.read(7), b"welcome")  # so the agent knows, too, that they are connected
        visitor.reset()
        self.assertRaises(ConnectionResetError, backend.rest)
        visitor, backend = self.another()
        backend.reset()
        self.assertRaises(ConnectionResetError, visitor.rest)

    def test_refused(self) -> None:
        """A backend that is not there resets its visitors, and is reached as soon as it is."""
        self.hand.close()
        gateway = self.tunnel(self.hand.port)
        port = gateway.listeningPort("example")
        self.assertRaises(ConnectionResetError, connect(self, port).rest)
        with socket.create_server(("127.0.0.1", self.hand.port)) as listening:
            connect(self, port).send(b"hello")
            connection, _ = listening.accept()
            with connection:
                self.assertEqual(connection.recv(5), b"hello")


class PressureTests(TunnelTestCase):
    """Who does not read waits, and nobody else."""

    def test_stalled(self) -> None:
        """A visitor who stops reading costs a window or two, and does not slow a neighbour down."""
        hand = Hand(self)
        gateway = self.tunnel(hand.port)
        port = gateway.listeningPort("example")
        visitor = connect(self, port)
        backend = hand.accept()
        backend.socket.settimeout(1)
        sent = 0
        with self.assertRaises(TimeoutError):
            while True:
                sent += backend.socket.send(bytes(65_536))
        self.assertLess(sent, 32 * 1_048_576)
        neighbour = connect(self, port)
        other = hand.accept()
        answering = threading.Thread(target=lambda: other.send(other.line()))
        answering.start()
        neighbour.send(b"still there?\n")
        self.assertEqual(neighbour.line(), b"still there?\n")
        answering.join()
        backend.finish()
        self.assertEqual(len(visitor.rest()), sent)
