"""The examples of `docs/python.md` are complete and do what is said of them."""

from __future__ import annotations

import importlib.util
import signal
import sys

from twisted.trial.unittest import SkipTest

from tests.documents import example
from tests.integration.components import REQUIRED, find, freePort
from tests.integration.harness import Program
from tests.integration.publishing import ApiTestCase

SHOP = """
import subprocess

def order(what, webhook):
    options = ["-sSf", "--noproxy", "*", "--cacert", "{ca}", "-d", what + " is paid"]
    subprocess.run(["{curl}", *options, webhook], check=True)
"""


class DocumentTests(ApiTestCase):
    """The examples of `docs/python.md`, but for the ports of their backends."""

    def setUp(self) -> None:
        super().setUp()
        self.house = self.gateway()

    def example(self, name: str, port: str = "", needs: str = "") -> Program:
        """Run it, with a free port instead of its own."""
        if needs and importlib.util.find_spec(needs) is None:
            if REQUIRED:
                self.fail(f"{needs} is not installed")
            raise SkipTest(f"{needs} is not installed")
        text = example("python.md", name)
        if port:
            self.assertIn(port, text)
            text = text.replace(port, str(freePort() if needs else self.port))
        program = self.program(text)
        self.assertEqual(program.waitFor("^https://.*$")[0] + "/", self.house.url("example"))
        return program

    def served(self, expected: bytes) -> None:
        """The site answers as soon as it serves."""
        self.until("the site serves", lambda: self.visit() == (200, expected))

    def test_two(self) -> None:
        """The two lines."""
        program = self.example("two.py", "9000")
        self.served(b"hello from the site\n")
        program.tell("")
        self.end(program)
        self.gone()

    def test_flask(self) -> None:
        """Flask, which knows its public URL, ended by Ctrl-C."""
        assert self.house is not None
        program = self.example("flaskapp.py", "5000", "flask")
        self.served(f"hello from {self.house.url('example')}\n".encode())
        program.send(signal.SIGINT)
        self.assertEqual(program.ended(5), 0)
        self.gone()

    def test_fastapi(self) -> None:
        """FastAPI, ended by Ctrl-C."""
        program = self.example("fastapiapp.py", "8000", "fastapi")
        self.served(b'{"hello":"from FastAPI"}')
        program.send(signal.SIGINT)
        program.ended(5)
        self.assertIn("Application shutdown complete", program.err)
        self.gone()

    def test_twisted(self) -> None:
        """Twisted, ended by Ctrl-C."""
        (self.folder / "index.html").write_text("hello from Twisted")
        program = self.example("twistedapp.py")
        self.served(b"hello from Twisted")
        program.send(signal.SIGINT)
        self.end(program)
        self.gone()

    def test_pytest(self) -> None:
        """The fixture and its test, with a shop that posts by curl."""
        if importlib.util.find_spec("pytest") is None and not REQUIRED:
            raise SkipTest("pytest is not installed")
        for name in ("conftest.py", "test_shop.py"):
            (self.folder / name).write_text(example("python.md", name))
        (self.folder / "shop.py").write_text(SHOP.format(curl=find("curl"), ca=self.house.ca))
        environment = {"DIGLETT_GATEWAY": self.house.address, "DIGLETT_STATE": str(self.folder / "state")}
        tests = self.started((sys.executable, "-m", "pytest", "-q", "test_shop.py"), environment)
        self.addCleanup(tests.kill)
        self.assertEqual(tests.ended(), 0)
        self.assertIn("1 passed", tests.out)
        self.house.program.waitFor("withdrawn .*localhost")
