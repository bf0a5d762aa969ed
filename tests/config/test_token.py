"""Tests of where the agent's token comes from."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from diglett.config.token import MAX_TOKEN, TokenSource, tokenSource
from diglett.errors import UsageError

SECRET = "s3cret-token"


class SourceTests(SynchronousTestCase):
    """Command line, else environment, else configuration file."""

    def file(self, content: bytes, mode: int = 0o600) -> str:
        """Make a file for this test and give its absolute path."""
        path = os.path.abspath(self.mktemp())
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def source(
        self, given: Any = {}, environ: Any = {}, settings: Any = {}  # noqa: B006
    ) -> TokenSource:
        """Give the source when no warning is expected."""
        source, warnings = tokenSource(given, environ, settings)
        self.assertEqual(warnings, [])
        return source

    def test_none(self) -> None:
        """Without any there is none; an empty variable is none."""
        self.assertIsNone(self.source().read())
        self.assertIsNone(self.source(environ={"DIGLETT_TOKEN": ""}).read())

    def test_order(self) -> None:
        """Each place gives way to those before it."""
        environ = {"DIGLETT_TOKEN": "from-environment"}
        settings = {"token": "from-settings", "config": self.file(b"")}
        given = {"token-file": self.file(b"from-option\n")}
        self.assertEqual(self.source(given, environ, settings).read(), "from-option")
        self.assertEqual(self.source({}, environ, settings).read(), "from-environment")
        self.assertEqual(self.source({}, {}, settings).read(), "from-settings")
        path = self.file(b"from-file")
        source = self.source({}, {}, {"token-file": path})
        self.assertEqual((source.read(), source.where), ("from-file", path))

    def test_both(self) -> None:
        """A token and a file with one at the same place is a mistake."""
        both = {"token": SECRET, "token-file": "x"}
        self.assertIn("leave one out", str(self.assertRaises(UsageError, tokenSource, both, {}, {})))
        self.assertRaises(UsageError, tokenSource, {}, {}, both)

    def test_commandLine(self) -> None:
        """A token on the command line works, and its warning says why not to."""
        source, warnings = tokenSource({"token": SECRET}, {}, {})
        self.assertEqual(source.read(), SECRET)
        self.assertEqual(len(warnings), 1)
        self.assertIn("ps", warnings[0])

    def test_neverShown(self) -> None:
        """No way to print a source shows the token."""
        source, warnings = tokenSource({"token": SECRET}, {}, {})
        for text in (repr(source), str(source), f"{source}", *warnings):
            self.assertNotIn(SECRET, text)

    def test_changed(self) -> None:
        """A token that is changed in its file is used from then on; a broken file is an error."""
        path = self.file(b"old")
        source = self.source({"token-file": path})
        with open(path, "w") as file:
            file.write("new")
        self.assertEqual(source.read(), "new")
        with open(path, "w"):
            pass
        self.assertRaises(UsageError, source.read)

    def test_pipe(self) -> None:
        """A pipe, as in `--token-file <(...)`, is read only once, and the token is kept."""
        if os.name != "posix":
            raise SkipTest("needs /dev/fd")
        readEnd, writeEnd = os.pipe()
        self.addCleanup(os.close, readEnd)
        os.write(writeEnd, b"piped\n")
        os.close(writeEnd)
        source = self.source({"token-file": f"/dev/fd/{readEnd}"})
        self.assertEqual([source.read(), source.read()], ["piped", "piped"])

    def test_openToOthers(self) -> None:
        """A file that everybody may read deserves a warning, in either role."""
        if os.name != "posix":
            raise SkipTest("needs file modes")
        path = self.file(b"x", 0o644)
        for given, settings in [
            ({"token-file": path}, {}),
            ({}, {"token-file": path}),
            ({}, {"token": "x", "config": path}),
        ]:
            source, warnings = tokenSource(given, {}, settings)
            self.assertEqual(source.read(), "x")
            self.assertIn(f"chmod 600 {path}", warnings[0])

    def test_refused(self) -> None:
        """What cannot be a token is refused without being shown."""
        for content, reason in {
            b"": "empty",
            b" \n": "empty",
            b"s3cret\nsecond": "line break",
            b"s3cret\x00": "control character",
            b"s3cret\xff": "something other",
            b"s3cret" * MAX_TOKEN: "longer than",
        }.items():
            error = self.assertRaises(
                UsageError, tokenSource, {"token-file": self.file(content)}, {}, {}
            )
            self.assertIn(reason, str(error))
            self.assertNotIn("s3cret", str(error))
        for text in ("", "a\nb", "x" * (MAX_TOKEN + 1)):
            self.assertRaises(UsageError, tokenSource, {"token": text}, {}, {})

    def test_missing(self) -> None:
        """A missing file is named, with the reason."""
        error = self.assertRaises(UsageError, tokenSource, {"token-file": "no-such"}, {}, {})
        self.assertIn(os.path.abspath("no-such"), str(error))
        self.assertIn("No such file", str(error))
