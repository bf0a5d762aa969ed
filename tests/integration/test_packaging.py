"""What a user gets: a wheel in a fresh environment, and the editable install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from diglett import __version__
from tests.sources import PACKAGE

ROOT = PACKAGE.parent
SOURCES = ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")

TIMEOUT = 180
"""Seconds for one program; each takes a few on an idle machine."""


def run(*words: str | os.PathLike[str], cwd: str | os.PathLike[str] = "/") -> str:
    """Run a program away from the checkout; give what it printed, or raise with it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DIGLETT_", "PIP_"))}
    done = subprocess.run(
        [os.fspath(word) for word in words],
        cwd=cwd,
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    if done.returncode:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class InstallTests(SynchronousTestCase):
    """
    Both ways to install, without the network: the environment made for a test
    takes what we require from the one the tests run in.
    """

    def setUp(self) -> None:
        """Copy the sources, so that the checkout stays clean, and make an environment."""
        if not (ROOT / "setup.cfg").exists():
            raise SkipTest("needs the checkout: there is no setup.cfg beside the package")
        top = Path(self.mktemp()).absolute()
        self.sources, self.venv = top / "sources", top / "venv"
        self.sources.mkdir(parents=True)
        for name in SOURCES:
            shutil.copy(ROOT / name, self.sources)
        for name in ("diglett", "twisted"):
            unwanted = shutil.ignore_patterns("__pycache__", "dropin.cache")
            shutil.copytree(ROOT / name, self.sources / name, ignore=unwanted)
        run(sys.executable, "-m", "venv", "--without-pip", self.venv)
        self.bin = self.venv / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / Path(sys.executable).name
        (site,) = self.venv.glob("lib/python*/site-packages") if os.name != "nt" else [
            self.venv / "Lib" / "site-packages"
        ]  # fmt: skip
        self.site = site
        # A folder on the path, whose own .pth files (such as that of an
        # editable diglett) do not count.
        (site / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def pip(self, *words: str | os.PathLike[str]) -> None:
        """Let the pip of the tests' environment work in the new one, offline."""
        offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
        run(self.python, "-m", "pip", *words, *offline)

    def check(self, where: Path) -> None:
        """Check that every command works from any folder, and is the code under `where`."""
        code = "import diglett; print(diglett.__file__)"
        self.assertIn(os.fspath(where), run(self.python, "-c", code))
        self.assertEqual(run(self.bin / "diglett", "--version"), f"diglett {__version__}\n")
        self.assertIn("BACKEND", run(self.python, "-m", "diglett", "--help"))
        self.assertIn("--domain=", run(self.bin / "diglett-server", "--help"))
        self.assertIn("revoke", run(self.bin / "diglett-server", "token", "--help"))
        twistd = "from twisted.scripts.twistd import run; run()"
        self.assertIn("diglett-server", run(self.python, "-c", twistd, "--help"))
        self.assertIn("--domain=", run(self.python, "-c", twistd, "diglett-server", "--help"))
        plugins = (
            "from diglett.interfaces import IAuthenticatorPlugin as A, IRegistrarPlugin as R\n"
            "from twisted.plugin import getPlugins; import diglett.plugins as p\n"
            "print(sorted(i.name for face in (A, R) for i in getPlugins(face, p)))"
        )
        found = run(self.python, "-c", plugins)
        self.assertIn("'tokens'", found)
        self.assertIn("'print'", found)

    def test_wheel(self) -> None:
        """A wheel has everything, the twistd plugin and our own plugins included."""
        self.pip("wheel", "--wheel-dir", self.sources, self.sources)
        (wheel,) = self.sources.glob("diglett-*.whl")
        self.pip("install", wheel)
        self.check(self.site)
        self.assertEqual(list(self.site.glob("tests")), [])
        self.assertEqual(list(self.site.glob("twisted/__init__.py")), [])

    def test_editable(self) -> None:
        """An editable install is the checkout itself, with the twistd plugin."""
        self.pip("install", "--editable", self.sources)
        self.check(self.sources)
