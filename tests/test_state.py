"""The state folder: where it is, who can read it, and that files appear whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from diglett import state
from diglett.errors import UsageError

posixOnly = skipIf(os.name != "posix", "modes are POSIX")


def modeOf(path: Path) -> int:
    return path.stat().st_mode & 0o7777


class FolderChoiceTests(SynchronousTestCase):
    """Which folder it is."""

    def setUp(self) -> None:
        environment = {"HOME": "/home/ann", "XDG_DATA_HOME": "", "DIGLETT_STATE": ""}
        for name, value in environment.items():
            self.patchEnvironment(name, value)

    def patchEnvironment(self, name: str, value: str) -> None:
        def restore(old: str | None = os.environ.get(name)) -> None:
            os.environ.pop(name, None)
            if old is not None:
                os.environ[name] = old

        self.addCleanup(restore)
        os.environ[name] = value

    def test_explicit(self) -> None:
        """What the command line says wins over the environment."""
        self.patchEnvironment("DIGLETT_STATE", "/elsewhere")
        self.assertEqual(state.stateFolder("/here"), Path("/here"))

    def test_environment(self) -> None:
        """DIGLETT_STATE is the folder itself, with ~ for the home folder."""
        self.patchEnvironment("DIGLETT_STATE", "~/tunnels")
        self.assertEqual(state.stateFolder(), Path("/home/ann/tunnels"))

    def test_relative(self) -> None:
        """A relative folder is made absolute, since a daemon changes its folder later."""
        self.assertEqual(state.stateFolder("here"), Path.cwd() / "here")

    def test_linux(self) -> None:
        """Linux keeps it in ~/.local/share."""
        self.patch(sys, "platform", "linux")
        self.assertEqual(state.stateFolder(), Path("/home/ann/.local/share/diglett"))

    def test_xdg(self) -> None:
        """XDG_DATA_HOME moves it; a relative one is ignored as its specification wants."""
        self.patch(sys, "platform", "linux")
        self.patchEnvironment("XDG_DATA_HOME", "/data")
        self.assertEqual(state.stateFolder(), Path("/data/diglett"))
        self.patchEnvironment("XDG_DATA_HOME", "data")
        self.assertEqual(state.stateFolder(), Path("/home/ann/.local/share/diglett"))

    def test_macos(self) -> None:
        """macOS keeps it in the Library folder."""
        self.patch(sys, "platform", "darwin")
        self.assertEqual(state.stateFolder(), Path("/home/ann/Library/Application Support/diglett"))

    def test_windows(self) -> None:
        """Windows keeps it in the local application data."""
        self.patch(sys, "platform", "win32")
        self.patchEnvironment("LOCALAPPDATA", "/local")
        self.assertEqual(state.stateFolder(), Path("/local/diglett"))

    def test_homeless(self) -> None:
        """An account without a home is told which option to use."""

        def home() -> Path:
            raise RuntimeError("Could not determine home directory.")

        self.patch(sys, "platform", "linux")
        self.patch(Path, "home", home)
        error = self.assertRaises(UsageError, state.stateFolder)
        self.assertIn("--state", str(error))

    def test_light(self) -> None:
        """The module imports nothing heavy: the agent's start-up needs it."""
        heavy = "{'attr', 'attrs', 'cryptography', 'twisted', 'tempfile'}"
        script = f"import sys, diglett.state; sys.exit(repr({heavy} & set(sys.modules)))"
        found = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.assertEqual(found.stderr.strip(), "set()")


@posixOnly
class FolderTests(SynchronousTestCase):
    """The folder belongs to its owner alone."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "state"

    def make(self, mode: int, *, used: bool) -> None:
        self.folder.mkdir(parents=True)
        self.folder.chmod(mode)
        if used:
            (self.folder / "file").touch()

    def test_made(self) -> None:
        """It is made with its parents, mode 0700 whatever the umask is."""
        self.addCleanup(os.umask, os.umask(0))
        self.assertEqual(state.ensureFolder(self.folder), self.folder)
        self.assertEqual(modeOf(self.folder), 0o700)

    def test_again(self) -> None:
        """A second start finds it good."""
        state.ensureFolder(self.folder)
        state.writePrivate(self.folder / "file", b"x")
        state.ensureFolder(self.folder)
        self.assertEqual(modeOf(self.folder), 0o700)

    def test_tightened(self) -> None:
        """An empty folder, which nobody depends on yet, becomes 0700."""
        self.make(0o775, used=False)
        state.ensureFolder(self.folder)
        self.assertEqual(modeOf(self.folder), 0o700)

    def test_readable(self) -> None:
        """A folder in use that others can only list is left as it is."""
        self.make(0o755, used=True)
        state.ensureFolder(self.folder)
        self.assertEqual(modeOf(self.folder), 0o755)

    def test_writable(self) -> None:
        """A folder in use where others can replace files is refused with the cure."""
        for mode in (0o770, 0o707):
            self.folder = Path(self.mktemp())
            self.make(mode, used=True)
            error = self.assertRaises(UsageError, state.ensureFolder, self.folder)
            self.assertIn("chmod 700", str(error))

    def test_another(self) -> None:
        """A folder of another user is refused, unless that user is root and it is not for everybody."""
        self.make(0o755, used=True)
        owner = self.folder.stat().st_uid
        self.patch(os, "geteuid", lambda: owner + 1)
        if owner == 0:
            state.ensureFolder(self.folder)
            self.folder.chmod(0o777)
        self.assertRaises(UsageError, state.ensureFolder, self.folder)

    def test_file(self) -> None:
        """A file in its place is reported, not replaced."""
        self.folder.parent.mkdir(parents=True)
        self.folder.write_text("mine")
        error = self.assertRaises(UsageError, state.ensureFolder, self.folder)
        self.assertIn("not a folder", str(error))
        self.assertEqual(self.folder.read_text(), "mine")


class FileTests(SynchronousTestCase):
    """Files appear whole, and only for their owner."""

    def setUp(self) -> None:
        self.folder = state.ensureFolder(Path(self.mktemp()))
        self.file = self.folder / "secret"

    @posixOnly
    def test_private(self) -> None:
        """A file is 0600 whatever the umask is."""
        for umask in (0, 0o277):
            self.addCleanup(os.umask, os.umask(umask))
            state.writePrivate(self.file, b"data")
            self.assertEqual(modeOf(self.file), 0o600)

    @posixOnly
    def test_public(self) -> None:
        """A mode that is asked for is given exactly."""
        self.addCleanup(os.umask, os.umask(0o077))
        state.writePrivate(self.file, b"data", mode=state.PUBLIC)
        self.assertEqual(modeOf(self.file), 0o644)

    def test_replaced(self) -> None:
        """Writing again replaces all of the content; text is UTF-8."""
        state.writePrivate(self.file, b"a longer text")
        state.writePrivate(self.file, "é")
        self.assertEqual(self.file.read_bytes(), b"\xc3\xa9")
        self.assertEqual(os.listdir(self.folder), ["secret"])

    def test_failed(self) -> None:
        """When writing fails, the old content stays and nothing is left over."""
        state.writePrivate(self.file, b"old")

        def fail(*paths: object) -> None:
            raise OSError("disk on fire")

        for name in ("fsync", "replace"):
            patch = self.patch(os, name, fail)
            self.assertRaises(OSError, state.writePrivate, self.file, b"new")
            patch.restore()
        self.assertEqual(self.file.read_bytes(), b"old")
        self.assertEqual(os.listdir(self.folder), ["secret"])

    def test_created(self) -> None:
        """Of two that create a file the first one wins, and the second is told."""
        self.assertTrue(state.createPrivate(self.file, b"first"))
        self.assertFalse(state.createPrivate(self.file, b"second"))
        self.assertEqual(self.file.read_bytes(), b"first")
        self.assertEqual(os.listdir(self.folder), ["secret"])

    def test_createdWithoutLinks(self) -> None:
        """The same holds on a file system that has no hard links."""

        def refuse(*paths: object) -> None:
            raise PermissionError("no links here")

        self.patch(os, "link", refuse)
        self.test_created()
