"""Tests of what setup.cfg says, against what the package is."""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from diglett import __version__
from tests.sources import PACKAGE, makeSource, readSources

ROOT = PACKAGE.parent

DISTRIBUTIONS = {
    "OpenSSL": "pyopenssl",
    "jwt": "pyjwt",
    "service_identity": "service-identity",
    "zope": "zope.interface",
}
"""Where a module's name is not that of what brings it."""

CHOSEN = {"auth", "registrar"}
"""Where a module is imported only once somebody has chosen it, and may need an extra."""


def names(requirements: str) -> set[str]:
    """Give the names of the distributions in a list of requirements."""
    found = (re.match(r"[A-Za-z0-9._-]+", line.strip()) for line in requirements.splitlines())
    return {match[0].lower() for match in found if match}


class SetupTests(SynchronousTestCase):
    """The description of the package is true."""

    def setUp(self) -> None:
        """Read the description, where the tests run from a checkout."""
        self.setup = ConfigParser()
        if not self.setup.read(ROOT / "setup.cfg", encoding="utf-8"):
            raise SkipTest("needs the checkout: there is no setup.cfg beside the package")

    def test_requirements(self) -> None:
        """Whatever the package imports from elsewhere is required, or brought by an extra."""
        required = names(self.setup["options"]["install_requires"])
        extras = self.setup["options.extras_require"]
        optional = set().union(*(names(extras[extra]) for extra in extras if extra != "test"))
        for name, source in readSources().items():
            for found in source.imports:
                top = found.module.partition(".")[0]
                if not top or top == "diglett" or top in sys.stdlib_module_names or top == "tomllib":
                    continue
                distribution = DISTRIBUTIONS.get(top, top).lower()
                allowed = required if found.early and source.house not in CHOSEN else required | optional
                self.assertIn(distribution, allowed, f"{name}:{found.line}")

    def test_all(self) -> None:
        """The extra `all` brings every other one that is for users."""
        extras = self.setup["options.extras_require"]
        (inside,) = re.findall(r"diglett\[(.*)\]", extras["all"])
        self.assertEqual(set(inside.split(",")), set(extras) - {"all", "test", "fuzz"})

    def test_extras(self) -> None:
        """No extra looks like a version: pip before 23.1 could then install nothing at all."""
        for extra in self.setup["options.extras_require"]:
            self.assertNotRegex(extra, r"\Av?\d")

    def test_commands(self) -> None:
        """Each console script leads to a function."""
        scripts = self.setup["options.entry_points"]["console_scripts"].strip().splitlines()
        self.assertEqual([line.partition(" ")[0] for line in scripts], ["diglett", "diglett-server"])
        for line in scripts:
            module, _, function = line.partition("= ")[2].partition(":")
            self.assertTrue(callable(getattr(import_module(module), function)), line)

    def test_version(self) -> None:
        """The version is in one place, and is one."""
        self.assertEqual(self.setup["metadata"]["version"], "attr: diglett.__version__")
        self.assertRegex(__version__, r"\A\d+\.\d+\.\d+(\.dev\d+)?\Z")

    def test_plugin(self) -> None:
        """The file that every twistd and trial may load imports nothing of ours, and has no package around it."""
        folder = Path(ROOT, "twisted", "plugins")
        plugin = makeSource("plugin", (folder / "diglett_plugin.py").read_text(encoding="utf-8"))
        self.assertEqual([i.module for i in plugin.imports], ["twisted.application.service"])
        self.assertEqual(list(ROOT.glob("twisted/**/__init__.py")), [])
