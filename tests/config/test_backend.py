"""Tests of the forms of a backend."""

from __future__ import annotations

import errno
import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.config.backend import Backend, parseBackend
from diglett.errors import UsageError


class ParseTests(SynchronousTestCase):
    """What is a backend, and how it is shown."""

    def test_network(self) -> None:
        """Services reached over the network are shown as their address, with what was left out."""
        for text, backend, shown in [
            ("localhost:9000", Backend("tcp", "localhost", 9000), "localhost:9000"),
            ("9000", Backend("tcp", "localhost", 9000), "localhost:9000"),
            (":9000", Backend("tcp", "localhost", 9000), "localhost:9000"),
            ("[::1]:80", Backend("tcp", "::1", 80), "[::1]:80"),
            ("http://intra", Backend("http", "intra", 80), "http://intra"),
            ("HTTP://intra:8000/", Backend("http", "intra", 8000), "http://intra:8000"),
            ("https://[::1]:8443", Backend("https", "::1", 8443), "https://[::1]:8443"),
            ("https://intra.example", Backend("https", "intra.example", 443), "https://intra.example"),
        ]:
            self.assertEqual(parseBackend(text), backend)
            self.assertEqual(str(parseBackend(text)), shown)

    def test_unix(self) -> None:
        """A socket is an absolute path from then on, and need not be there."""
        self.assertEqual(parseBackend("unix:/run/x.sock"), Backend("unix", path="/run/x.sock"))
        self.assertEqual(parseBackend("unix:x.sock", "/run"), Backend("unix", path="/run/x.sock"))
        self.assertEqual(str(parseBackend("unix:/run/x.sock")), "unix:/run/x.sock")

    def test_folder(self) -> None:
        """A folder is an absolute path, shown as it was written; `./` tells it from a port."""
        base = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(base, "site", "8000"))
        site = Backend("folder", path=os.path.join(base, "site"))
        for text in ("site", "./site", "site/", os.path.join(base, "site")):
            self.assertEqual(parseBackend(text, base), site)
            self.assertEqual(str(parseBackend(text, base)), text)
        self.assertEqual(parseBackend(".", site.path), site)
        self.assertEqual(parseBackend("8000", site.path).kind, "tcp")
        self.assertEqual(parseBackend("./8000", site.path).kind, "folder")

    def test_refused(self) -> None:
        """Everything else is refused with the reason."""
        base = self.mktemp()
        os.mkdir(base)
        with open(os.path.join(base, "file"), "w"):
            pass
        for text, reason in {
            "": "neither an existing folder",
            "localhost": "neither an existing folder",
            "0": "not a port",
            "65536": "not a port",
            "localhost:http": "not a port",
            "::1": "brackets",
            "./missing": "no folder",
            "missing/": "no folder",
            "~nobody-at-all/x": "no folder",
            "a\0/b": "no folder",
            "./file": "is a file",
            "unix:": "path of a socket",
            "unix:/" + "x" * 103: "103 bytes",
            "ftp://host": "no such scheme",
            "http://": "no host",
            "http://host/path": "leave out",
            "http://host?x": "leave out",
            "http://host:0": "not a port",
        }.items():
            error = self.assertRaises(UsageError, parseBackend, text, base)
            self.assertIn(reason, str(error))

    def test_unreadable(self) -> None:
        """A folder that may not be read is refused at once, not at the first visit."""

        def refuse(path: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        folder = self.mktemp()
        os.mkdir(folder)
        self.patch(os, "scandir", refuse)  # root, as in CI, may read anything
        error = self.assertRaises(UsageError, parseBackend, f"./{folder}")
        self.assertIn("Permission denied", str(error))

    def test_noPassword(self) -> None:
        """A password in a URL is refused without being shown."""
        for text in ("http://me:hunter2@host", "postgres://me:hunter2@host/db"):
            error = self.assertRaises(UsageError, parseBackend, text)
            self.assertNotIn("hunter2", str(error))

    @given(st.text(max_size=40))
    def test_anything(self, text: str) -> None:
        """Any text is a backend or wrong usage, never another error."""
        try:
            parseBackend(text, "/nowhere")
        except UsageError:
            pass
