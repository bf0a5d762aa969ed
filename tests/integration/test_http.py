"""Web sites behind the fronts: nginx and Python's servers, visited with curl."""

from __future__ import annotations

import hashlib
import random
import subprocess
from itertools import product

from tests.integration.components import find
from tests.integration.services import nginx, python
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import connect, curl

LARGE = random.Random(1).randbytes(20_000_000)


class SiteTests(TunnelTestCase):
    """A site's pages are what they are without the tunnel."""

    def test_nginx(self) -> None:
        """nginx is reached by https and http, and is told who asked for what in which way."""
        gateway = self.tunnel(nginx(self))
        page = curl(self, gateway, gateway.url("example"))
        self.assertEqual((page.status, page.body), (200, b"hello from nginx\n"))
        for scheme in ("https", "http"):
            said = curl(self, gateway, gateway.url("example", "/said", scheme))
            port = getattr(gateway, scheme)
            self.assertEqual(said.body.decode(), f"http example.localhost:{port} {scheme} 127.0.0.1\n")

    def test_listeningPort(self) -> None:
        """The name's own port carries the same site, and nothing is added to its requests."""
        gateway = self.tunnel(nginx(self))
        url = f"http://127.0.0.1:{gateway.listeningPort('example')}/said"
        self.assertEqual(curl(self, gateway, url).body.split()[2:], [])

    def test_wsgiref(self) -> None:
        """A server of HTTP/1.0 that ends each answer by closing is served to a visitor who keeps his connection."""
        gateway = self.tunnel(python(self, "site", "wsgiref"))
        visitor = connect(self, gateway.http)
        for _ in range(3):
            visitor.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            answer = visitor.answer()
            self.assertEqual((answer.status, answer.body), (200, b"hello from the site\n"))

    def test_large(self) -> None:
        """A download of many megabytes arrives whole, with its length."""
        gateway = self.tunnel(nginx(self, files={"large": LARGE}))
        for scheme in ("https", "http"):
            answer = curl(self, gateway, gateway.url("example", "/large", scheme))
            self.assertEqual(answer.headers["content-length"], str(len(LARGE)))
            self.assertEqual(hashlib.sha256(answer.body).digest(), hashlib.sha256(LARGE).digest())

    def test_ranges(self) -> None:
        """A part of a file can be asked for, and an unchanged one is not sent again."""
        gateway = self.tunnel(nginx(self, files={"large": LARGE}))
        url = gateway.url("example", "/large")
        part = curl(self, gateway, url, "--range", "1000000-1000009")
        self.assertEqual((part.status, part.body), (206, LARGE[1_000_000:1_000_010]))
        again = curl(self, gateway, url, "--header", f"If-None-Match: {part.headers['etag']}")
        self.assertEqual((again.status, again.body), (304, b""))

    def test_newer(self) -> None:
        """A visitor who would rather speak HTTP/2 is served in HTTP/1.1."""
        gateway = self.tunnel(nginx(self))
        page = curl(self, gateway, gateway.url("example"), "--http2")
        self.assertEqual((page.version, page.status), ("HTTP/1.1", 200))

    def test_head(self) -> None:
        """HEAD gets the head alone, and the connection goes on behind it."""
        gateway = self.tunnel(nginx(self, files={"large": LARGE}))
        head = curl(self, gateway, gateway.url("example", "/large"), "--head")
        self.assertEqual((head.status, head.headers["content-length"]), (200, str(len(LARGE))))
        visitor = connect(self, gateway.https, gateway.context())
        for _ in range(2):
            visitor.send(b"HEAD /large HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            self.assertEqual(visitor.answer("HEAD").headers["content-length"], str(len(LARGE)))


class SmallRecordsTests(TunnelTestCase):
    """Visitors with little memory, who ask for TLS records of 512 bytes."""

    def test_download(self) -> None:
        """They get every byte, of small answers and of large ones."""
        small, large = bytes(range(256)) * 20, bytes(range(251)) * 4_001
        gateway = self.tunnel(nginx(self, files={"small": small, "large": large}))
        for version, (path, content) in product(("-tls1_3", "-tls1_2"), (("small", small), ("large", large))):
            done = subprocess.run(
                [find("openssl"), "s_client", version, "-quiet", "-maxfraglen", "512",
                 "-connect", f"127.0.0.1:{gateway.https}", "-servername", "example.localhost"],
                input=f"GET /{path} HTTP/1.1\r\nHost: example.localhost\r\nConnection: close\r\n\r\n".encode(),
                capture_output=True, timeout=30,
            )  # fmt: skip
            self.assertEqual(done.stdout.partition(b"\r\n\r\n")[2], content)


class UploadTests(TunnelTestCase):
    """What visitors send arrives as it was sent."""

    def upload(self, *options: str, body: bytes, scheme: str = "https") -> None:
        """Post this, and compare."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        url = gateway.url("example", "/echo?a=b", scheme)
        answer = curl(self, gateway, url, "--data-binary", "@-", *options, input=body)
        self.assertEqual(answer.status, 200)
        document = answer.document
        self.assertEqual((document["method"], document["query"]), ("POST", "a=b"))
        self.assertEqual(document["size"], len(body))
        self.assertEqual(document["sha256"], hashlib.sha256(body).hexdigest())

    def test_small(self) -> None:
        """A form is posted."""
        self.upload(body=b"name=value")

    def test_empty(self) -> None:
        """Nothing can be posted as well."""
        self.upload(body=b"")

    def test_large(self) -> None:
        """Many megabytes are posted; curl waits for 100 Continue before it sends them."""
        self.upload("--header", "Expect: 100-continue", "--expect100-timeout", "20", body=LARGE)

    def test_largePlain(self) -> None:
        """The same without TLS, and without being told to continue."""
        self.upload("--header", "Expect:", body=LARGE, scheme="http")

    def test_tooLarge(self) -> None:
        """A site that refuses an upload while it is being sent is heard, by all ways."""
        gateway = self.tunnel(nginx(self, more="location /small { client_max_body_size 1k; dav_methods PUT; }"))
        port = f"http://127.0.0.1:{gateway.listeningPort('example')}/small/file"
        file = self.folder / "large"
        file.write_bytes(LARGE)
        for url in (gateway.url("example", "/small/file"), gateway.url("example", "/small/file", "http"), port):
            answer = curl(self, gateway, url, "--header", "Expect:", "--upload-file", file)
            self.assertEqual(answer.status, 413, url)

    def test_chunked(self) -> None:
        """An upload whose length nobody knows goes through in chunks."""
        self.upload("--header", "Transfer-Encoding: chunked", "--header", "Expect:", body=LARGE)


class DynamicTests(TunnelTestCase):
    """Answers that are made while they are sent."""

    def test_chunked(self) -> None:
        """An answer of unknown length comes in chunks, to a visitor of HTTP/1.0 until the end."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        expected = b"".join(b"line %d\n" % number for number in range(1000))
        url = gateway.url("example", "/stream")
        answer = curl(self, gateway, url)
        self.assertEqual((answer.headers.get("transfer-encoding"), answer.body), ("chunked", expected))
        old = curl(self, gateway, url, "--http1.0")
        self.assertEqual((old.headers.get("transfer-encoding"), old.body), (None, expected))

    def test_forwarded(self) -> None:
        """The site learns who the visitor is, and a stranger's word about that counts for nothing."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        lies = [f"{name}: 6.6.6.6" for name in ("X-Forwarded-For", "X-Real-IP", "X-Forwarded-Host")]
        lies += ["X-Forwarded-Proto: gopher", "Forwarded: for=6.6.6.6"]
        options = [word for lie in lies for word in ("--header", lie)]
        said = curl(self, gateway, gateway.url("example", "/echo"), *options).document["headers"]
        host = f"example.localhost:{gateway.https}"
        self.assertEqual(said["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(said["x-forwarded-proto"], "https")
        self.assertEqual(said["x-forwarded-host"], host)
        self.assertRegex(said["forwarded"], rf'^for="127\.0\.0\.1:\d+";host="{host}";proto=https$')
        self.assertNotIn("6.6.6.6", str(said))
