"""`diglett-server token`: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import io
import os
import stat
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from diglett.accounts import Limits
from diglett.auth.commands import main
from diglett.auth.tokenfile import User, digestOf, parse


class TokenCommandTests(SynchronousTestCase):
    """`main` with the arguments people give."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.path = self.state / "tokens.toml"

    def run_(self, *argv: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = main([*argv, "--state", str(self.state)])
            except SystemExit as exited:
                status = int(exited.code or 0)
        return status, out.getvalue(), err.getvalue()

    def users(self) -> tuple[User, ...]:
        return parse(self.path.read_bytes())

    def test_add(self) -> None:
        """A token is printed alone on standard output, and only its hash is kept, in a private file."""
        status, out, err = self.run_("add", "alice")
        token = out.strip()
        self.assertEqual((status, out), (0, token + "\n"))
        self.assertIn("any name", err)
        [alice] = self.users()
        self.assertEqual((alice.name, alice.patterns), ("alice", ("*",)))
        self.assertEqual(alice.tokens[0].digest, digestOf(token))
        self.assertNotIn(token, self.path.read_text())
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.state.stat().st_mode), 0o700)

    def test_options(self) -> None:
        """Names, limits, expiry and comment are kept."""
        argv = "--names alice,Alice-* --agents 2 --max-names 3 --streams 4 --bandwidth 10M --expires 2100-01-01".split()
        self.assertEqual(self.run_("add", "alice", *argv, "--comment", 'the "laptop"')[0], 0)
        [alice] = self.users()
        self.assertEqual(alice.patterns, ("alice", "alice-*"))
        self.assertEqual(alice.limits, Limits(2, 3, 4, 10_000_000))
        self.assertEqual((alice.tokens[0].expires, alice.tokens[0].comment), (4102444800.0, 'the "laptop"'))
        self.assertIn("agents=2 names=3 streams=4 bandwidth=10000000", self.run_("list")[1])
        self.assertEqual(self.run_("add", "alice", "--bandwidth", "1K")[0], 2)

    def test_secondToken(self) -> None:
        """Another token of the same user leaves names and limits that are not given as they are."""
        self.run_("add", "alice", "--names", "alice", "--agents", "2")
        self.run_("add", "alice", "--streams", "9")
        [alice] = self.users()
        self.assertEqual((alice.patterns, alice.limits), (("alice",), Limits(2, None, 9)))
        self.assertEqual(len(alice.tokens), 2)

    def test_durations(self) -> None:
        """An expiry may be a duration; a moment that is past is an error."""
        for text, days in (("30d", 30), ("2w", 14), ("48h", 2), ("1440m", 1)):
            self.run_("add", "alice", "--expires", text)
            expires = self.users()[0].tokens[-1].expires or 0
            self.assertLess(abs(expires - self.path.stat().st_mtime - days * 86400), 60)
        for text in ("2000-01-01", "soon", "3y", ""):
            self.assertEqual(self.run_("add", "alice", "--expires", text)[0], 2)

    def test_list(self) -> None:
        """The list has a line for each token, with its id and without its text."""
        self.run_("add", "alice", "--names", "alice", "--agents", "2", "--comment", "laptop")
        token = self.run_("add", "bob", "--expires", "30d")[1].strip()
        status, out, _ = self.run_("list")
        self.assertEqual(status, 0)
        lines = out.splitlines()
        self.assertEqual(lines[0].split(), ["USER", "NAMES", "LIMITS", "ID", "EXPIRES", "COMMENT"])
        alice, bob = self.users()
        self.assertEqual(lines[1].split(), ["alice", "alice", "agents=2", alice.tokens[0].id, "never", "laptop"])
        self.assertIn(bob.tokens[0].id, lines[2])
        self.assertNotIn(token, out)

    def test_revoke(self) -> None:
        """A token goes by its id, a user by name with all tokens; anything unknown is status 1."""
        self.run_("add", "alice")
        self.run_("add", "alice")
        first = self.users()[0].tokens[0].id
        status, out, _ = self.run_("revoke", first)
        self.assertEqual((status, out), (0, f"revoked {first} of alice\n"))
        self.assertEqual(len(self.users()[0].tokens), 1)
        self.assertEqual(self.run_("revoke", first)[0], 1)
        self.assertEqual(self.run_("revoke", "alice")[0], 0)
        self.assertEqual(self.users(), ())

    def test_wrong(self) -> None:
        """Wrong usage is status 2 with one line that says why, and writes nothing."""
        for argv, reason in (
            (("add", "a/b"), "letters, digits"),
            (("add", "alice", "--names", "A B"), "pattern"),
            (("add", "alice", "--agents", "-1"), "whole number"),
            (("add", "alice", "--comment", "a\nb"), "control characters"),
            (("list",), "there is no"),
            (("revoke", "alice"), "there is no"),
        ):
            status, out, err = self.run_(*argv)
            self.assertEqual((status, out), (2, ""), argv)
            self.assertIn(reason, err)
        self.assertFalse(self.path.exists())

    def test_broken(self) -> None:
        """A broken file is reported and not written over."""
        self.state.mkdir()
        self.path.write_text("[user")
        status, _, err = self.run_("add", "alice")
        self.assertEqual(status, 2)
        self.assertIn(str(self.path), err)
        self.assertEqual(self.path.read_text(), "[user")

    def test_keepsMode(self) -> None:
        """A file with a mode of its own keeps it, and a link to it stays a link."""
        self.run_("add", "alice")
        real = self.state / "real.toml"
        self.path.rename(real)
        real.chmod(0o640)
        self.path.symlink_to(real)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            self.assertEqual(main(["add", "bob", "--file", str(self.path)]), 0)
        self.assertTrue(self.path.is_symlink())
        self.assertEqual(stat.S_IMODE(real.stat().st_mode), 0o640)
        self.assertEqual(len(self.users()), 2)

    def test_noFolder(self) -> None:
        """A file in a folder that does not exist is an error, not a traceback."""
        err = io.StringIO()
        with redirect_stderr(err):
            self.assertEqual(main(["add", "bob", "--file", os.path.join(self.state, "x", "y.toml")]), 2)
        self.assertIn("there is no folder", err.getvalue())
