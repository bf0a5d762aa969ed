"""A folder shared through a tunnel, visited with curl."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path
from tempfile import mkdtemp

from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import Answer, connect, curl

LARGE = random.Random(2).randbytes(30_000_000)


class FolderTests(TunnelTestCase):
    """What is in the folder can be seen, whole and in parts, and nothing else."""

    def setUp(self) -> None:
        super().setUp()
        self.top = self.folder / "shared"
        (self.top / "in ner").mkdir(parents=True)
        (self.top / "hello.txt").write_bytes(b"hello\n")
        (self.top / "large").write_bytes(LARGE)
        (self.top / ".env").write_bytes(b"secret")
        (self.folder / "outside.txt").write_bytes(b"secret")
        (self.top / "out.txt").symlink_to(self.folder / "outside.txt")
        (self.top / "root").symlink_to("/")
        os.mkfifo(self.top / "pipe")
        self.temporary = Path(mkdtemp())
        self.addCleanup(self.temporary.rmdir)  # which fails when something was left there

    def serve(self) -> Gateway:
        """Share the folder."""
        gateway = self.gateway()
        agent = self.agent(gateway, "-n", "example", self.top, TMPDIR=str(self.temporary))
        agent.waitFor(" -> ")
        self.sharing = agent
        return gateway

    def get(self, gateway: Gateway, path: str, *options: str | Path) -> Answer:
        """Fetch a path exactly as it is written."""
        return curl(self, gateway, gateway.url("example", path), "--path-as-is", *options)

    def test_seen(self) -> None:
        """Files, folders and listings come as they are."""
        gateway = self.serve()
        hello = self.get(gateway, "/hello.txt")
        self.assertEqual((hello.status, hello.body), (200, b"hello\n"))
        self.assertEqual(hello.headers["content-type"], "text/plain; charset=utf-8")
        listing = self.get(gateway, "/").body.decode()
        for name in ('"./hello.txt"', '"./large"', "in ner/", "30 MB"):
            self.assertIn(name, listing)
        for name in (".env", "out.txt", "root", "pipe"):
            self.assertNotIn(f'"./{name}', listing)
        moved = self.get(gateway, "/in%20ner", "--location")
        self.assertEqual(moved.status, 200)
        self.assertIn("/in ner/", moved.body.decode())

    def test_unseen(self) -> None:
        """Whatever is asked for, nothing hidden or outside comes, and nobody waits for a pipe."""
        gateway = self.serve()
        for path in (
            "/.env", "/%2eenv", "/out.txt", "/root/etc/passwd", "/../outside.txt", "/%2e%2e/outside.txt",
            "/in%20ner/../../outside.txt", "/..%2foutside.txt", "/%2fetc%2fpasswd", "//etc/passwd", "/pipe", "/a%00b",
        ):  # fmt: skip
            answer = self.get(gateway, path)
            self.assertEqual(answer.status, 404, path)
            self.assertNotIn(b"secret", answer.body)

    def test_large(self) -> None:
        """A large file comes whole, in parts, resumed, and to several visitors at once."""
        gateway = self.serve()
        whole = self.get(gateway, "/large")
        self.assertEqual(hashlib.sha256(whole.body).digest(), hashlib.sha256(LARGE).digest())
        part = self.get(gateway, "/large", "--range", "12345678-12345687")
        self.assertEqual((part.status, part.body), (206, LARGE[12_345_678:12_345_688]))
        half = self.folder / "half"
        half.write_bytes(LARGE[:15_000_000])
        self.get(gateway, "/large", "--continue-at", "-", "--output", half)
        self.assertEqual(half.read_bytes(), LARGE)
        url = gateway.url("example", "/large")
        names = [self.folder / f"copy{i}" for i in range(4)]
        outputs = [word for name in names for word in ("--output", name, url)][:-1]
        curl(self, gateway, url, "--parallel", *outputs)
        for name in names:
            self.assertEqual(hashlib.sha256(name.read_bytes()).digest(), hashlib.sha256(LARGE).digest())

    def test_unchanged(self) -> None:
        """What a visitor has is not sent again until it changes."""
        gateway = self.serve()
        tag = self.folder / "tag"
        again = ("--etag-compare", tag)
        self.get(gateway, "/hello.txt", "--etag-save", tag)
        self.assertEqual(self.get(gateway, "/hello.txt", *again).status, 304)
        (self.top / "hello.txt").write_bytes(b"hello again\n")
        self.assertEqual(self.get(gateway, "/hello.txt", *again).body, b"hello again\n")

    def test_readOnly(self) -> None:
        """Nothing can be changed."""
        gateway = self.serve()
        for options in (("--request", "DELETE"), ("--data", "x=y"), ("--upload-file", self.top / "hello.txt")):
            answer = self.get(gateway, "/hello.txt", *options)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"))
        self.assertEqual((self.top / "hello.txt").read_bytes(), b"hello\n")

    def test_shortened(self) -> None:
        """A file that gets shorter on the way ends early, which the visitor can tell, and nothing is stuck."""
        gateway = self.serve()
        (self.top / "shrinking").write_bytes(LARGE * 2)
        visitor = connect(self, gateway.http)
        visitor.send(b"GET /shrinking HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
        self.assertIn(f"Content-Length: {len(LARGE) * 2}", visitor.head())
        os.truncate(self.top / "shrinking", 1_000)
        try:
            self.assertLess(len(visitor.rest()), len(LARGE) * 2)
        except ConnectionResetError:
            pass  # as well: it is an end that nobody takes for a good one
        self.assertEqual(self.get(gateway, "/hello.txt").status, 200)

    def test_port(self) -> None:
        """The name's own port serves the same, and HEAD has no body."""
        gateway = self.serve()
        url = f"http://127.0.0.1:{gateway.listeningPort('example')}/large"
        head = curl(self, gateway, url, "--head")
        self.assertEqual((head.status, head.headers["content-length"]), (200, str(len(LARGE))))

    def test_tidiedAway(self) -> None:
        """When somebody cleans up temporary files under our feet, the next visitor is served all the same."""
        gateway = self.serve()
        for _ in range(3):
            self.assertEqual(self.get(gateway, "/hello.txt").status, 200)
            (folder,) = self.temporary.iterdir()
            shutil.rmtree(folder)
        self.assertEqual(self.get(gateway, "/hello.txt").status, 200)

    def test_tidy(self) -> None:
        """The socket is the user's alone, and goes with the agent."""
        gateway = self.serve()
        self.assertEqual(list(self.temporary.iterdir()), [])
        self.get(gateway, "/hello.txt")
        (folder,) = self.temporary.iterdir()
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.sharing.stop(), 0)
        self.assertEqual(list(self.temporary.iterdir()), [])
