"""The examples in `docs/` are complete and do what is said of them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

import diglett.plugins
from diglett.accounts import Credentials
from diglett.auth.tokenfile import digestOf, parse
from diglett.errors import LoginRefused, Refused
from diglett.extensions import openAuthenticator, openRegistrars
from diglett.fetching import sign
from diglett.guarding import GuardedAuthenticator
from diglett.interfaces import IAuthenticator, IRegistrar, PluginContext, Registration
from diglett.publishing import Publisher
from tests.documents import example


class PluginExampleTests(SynchronousTestCase):
    """The two plugins of `docs/plugins.md`, dropped in as a third party would."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.clock = Clock()
        self.context = PluginContext(self.clock, self.folder, "gateway.com", "g1", Logger("test"))

    def dropIn(self, name: str) -> None:
        """Install an example."""
        plugins = self.folder / "diglett" / "plugins"
        plugins.mkdir(parents=True)
        module = f"example_{name}"
        (plugins / f"{module}.py").write_text(example("plugins.md", f"{name}.py"))
        diglett.plugins.__path__.append(str(plugins))
        self.addCleanup(diglett.plugins.__path__.remove, str(plugins))
        self.addCleanup(sys.modules.pop, f"diglett.plugins.{module}", None)

    def test_authenticator(self) -> None:
        """Logins, names, refusals and a revoked token, by way of the guard the gateway puts before it."""
        self.dropIn("authenticator")
        accounts = self.folder / "accounts.txt"
        accounts.write_text("s3cret alice alice alice-*\nother bob *\n")
        inner = openAuthenticator(f"lines:{accounts}", self.context)
        verifyObject(IAuthenticator, inner)
        guarded = GuardedAuthenticator(inner, self.clock)
        self.successResultOf(guarded.start(lambda: None))
        account = self.successResultOf(guarded.authenticate(Credentials("s3cret", peer="192.0.2.1")))
        self.assertEqual(account.id, "alice")
        self.assertTrue(self.successResultOf(guarded.authorize(account, "alice-x")))
        self.assertFalse(self.successResultOf(guarded.authorize(account, "bob")))
        for token in (None, "", "wrong"):
            self.failureResultOf(guarded.authenticate(Credentials(token, peer="192.0.2.1")), LoginRefused)
        self.assertEqual(self.successResultOf(guarded.refresh(account)), account)
        accounts.write_text("other bob *\n")
        self.failureResultOf(guarded.refresh(account), LoginRefused)
        accounts.unlink()
        self.failureResultOf(guarded.start(lambda: None), FileNotFoundError)

    def test_registrar(self) -> None:
        """A file comes and goes with the name; what a predecessor left goes at the start."""
        self.dropIn("registrar")
        left = self.folder / "old.gateway.com.address"
        left.write_text("127.0.0.1:1\n")
        registrars = openRegistrars([f"folder:{self.folder}"], self.context)
        verifyObject(IRegistrar, registrars[0][1])
        publisher = Publisher(registrars, self.clock)
        self.successResultOf(publisher.start())
        self.assertFalse(left.exists())
        registration = Registration("example", "example.gateway.com", "127.0.0.1", 41234)
        publication = self.successResultOf(publisher.publish(registration))
        path = self.folder / "example.gateway.com.address"
        self.assertEqual(path.read_text(), "127.0.0.1:41234\n")
        self.assertEqual(publication.urls, ("https://example.gateway.com",))
        self.successResultOf(publication.withdraw())
        self.assertFalse(path.exists())
        tcp = Registration("example", "example.gateway.com", "127.0.0.1", 41234, kind="tcp")
        failure = self.failureResultOf(publisher.publish(tcp), Refused)
        self.assertEqual(str(failure.value), "only http here")
        self.successResultOf(publisher.stop())


class AuthExampleTests(SynchronousTestCase):
    """The examples of `docs/auth.md`."""

    def test_tokens(self) -> None:
        """The tokens file is one, and its hash is that of a token."""
        [alice] = parse(example("auth.md", "tokens.toml").encode())
        self.assertEqual((alice.patterns, alice.limits.names), (("alice", "alice-*"), 10))
        self.assertEqual(alice.tokens[0].digest, digestOf("secret"))

    def test_verify(self) -> None:
        """The receiver of a webhook can tell our requests from others, and fresh ones from old."""
        names: dict = {}
        exec(example("auth.md", "verify.py"), names)
        verify, now = names["verify"], time.time()
        self.assertTrue(verify(b"s", sign(b"s", b"{}", now), b"{}"))
        self.assertFalse(verify(b"s", sign(b"other", b"{}", now), b"{}"))
        self.assertFalse(verify(b"s", sign(b"s", b"{}", now), b"{ }"))
        self.assertFalse(verify(b"s", sign(b"s", b"{}", now - 400), b"{}"))
