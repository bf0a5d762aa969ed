"""Tests of configuration files."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.config.toml import MAX_SIZE, Kind, readToml
from diglett.errors import UsageError

KNOWN: dict[str, Kind] = {
    "token": "text",
    "token-file": "path",
    "pin": "texts",
    "certificate": "paths",
    "once": "flag",
    "debug": "count",
    "tunnel": "tables",
}


class ReadTests(SynchronousTestCase):
    """What a file may hold, and what is said of mistakes."""

    def read(self, content: str | bytes) -> dict[str, Any]:
        """Read `content` from a file of its own."""
        self.path = os.path.abspath(self.mktemp())
        with open(self.path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return readToml(self.path, KNOWN)

    def test_values(self) -> None:
        """Values come as they are, lists as tuples, the file's own path as `config`."""
        settings = self.read(
            'token = "t"\npin = "one"\nonce = true\ndebug = 2\n[[tunnel]]\nname = "a"\n'
        )
        self.assertEqual(
            settings,
            {
                "token": "t",
                "pin": ("one",),
                "once": True,
                "debug": 2,
                "tunnel": [{"name": "a"}],
                "config": self.path,
            },
        )
        self.assertEqual(self.read('pin = ["one", "two"]')["pin"], ("one", "two"))

    def test_paths(self) -> None:
        """Relative paths start where the file is, whatever the current folder."""
        settings = self.read('token-file = "t"\ncertificate = ["a/b.pem", "/c.pem"]')
        folder = os.path.dirname(self.path)
        self.assertEqual(settings["token-file"], os.path.join(folder, "t"))
        self.assertEqual(settings["certificate"], (os.path.join(folder, "a/b.pem"), "/c.pem"))

    def test_refused(self) -> None:
        """A mistake is told with the file, the setting and what would be right."""
        for content, reason in {
            "tokn = 1": "no setting 'tokn'; did you mean 'token'?",
            "token_file = 1": "no setting 'token_file'; did you mean 'token-file'?",
            "zzzz = 1": "no setting 'zzzz'",
            "config = 1": "no setting 'config'",
            "token = 1": "token must be a text",
            "pin = 1": "pin must be a text or a list",
            "pin = [1]": "pin must be a text or a list",
            'once = "yes"': "once must be true or false",
            "once = 1": "once must be true or false",
            "debug = -1": "debug must be a whole number",
            'debug = "2"': "debug must be a whole number",
            "tunnel = 1": "tunnel must be written as [[tunnel]] tables",
            "[tunnel]": "tunnel must be written as [[tunnel]] tables",
            "token = ": "not valid TOML",
            "a = " + "[" * 5000: "not valid TOML",
        }.items():
            error = self.assertRaises(UsageError, self.read, content)
            self.assertIn(reason, str(error))
            self.assertIn(self.path, str(error))
        self.assertIn("not valid TOML", str(self.assertRaises(UsageError, self.read, b"\xff")))

    def test_bounded(self) -> None:
        """A file of any size costs no more than the limit."""
        error = self.assertRaises(UsageError, self.read, "#" * (MAX_SIZE + 1))
        self.assertIn("larger than", str(error))

    def test_missing(self) -> None:
        """A missing file is named, with the reason."""
        error = self.assertRaises(UsageError, readToml, "no-such.toml", KNOWN)
        self.assertIn(os.path.abspath("no-such.toml"), str(error))

    def test_tokenNeverShown(self) -> None:
        """What stands in the file is not in the error: it may be a token."""
        for content in ('token = ["s3cret"]', 'token = "s3cret', "token = s3cret", 'once = "s3cret"'):
            error = self.assertRaises(UsageError, self.read, content)
            self.assertNotIn("s3cret", str(error))
