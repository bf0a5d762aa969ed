"""Finding plugins by `name:argument`: ours, somebody else's dropped in, and none."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

import diglett.plugins
from diglett.errors import UsageError
from diglett.extensions import (
    AuthenticatorPlugin,
    RegistrarPlugin,
    available,
    gatewayIdentity,
    openAuthenticator,
    openRegistrars,
    splitArgument,
)
from diglett.interfaces import (
    IAuthenticator,
    IAuthenticatorPlugin,
    IRegistrar,
    IRegistrarPlugin,
    PluginContext,
)

THIRD_PARTY = '''
from twisted.logger import Logger
from diglett.extensions import RegistrarPlugin
from diglett.registrar.printer import Printer

made = []

def create(argument, context):
    made.append(argument)
    return Printer(context.log)

plugin = RegistrarPlugin("theirs", "theirs:X  of a third party", create)
needy = RegistrarPlugin("needy", "needy", "no_such_package_anywhere.create", extra="needs")
wrong = RegistrarPlugin("wrong", "wrong", lambda argument, context: object())
twice1 = RegistrarPlugin("twice", "twice", create)
twice2 = RegistrarPlugin("twice", "twice", create)
'''


class ExtensionsTests(SynchronousTestCase):
    """`openAuthenticator` and `openRegistrars` over the real plugin system."""

    def setUp(self) -> None:
        self.context = PluginContext(Clock(), Path(self.mktemp()), "gateway.com", "g1", Logger("test"))

    def dropIn(self, source: str) -> str:
        """Put a module into a folder where plugins are looked for, as an installed package would."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        name = f"dropped_{self.id().rpartition('.')[2]}"
        (folder / f"{name}.py").write_text(source)
        diglett.plugins.__path__.append(str(folder))
        self.addCleanup(diglett.plugins.__path__.remove, str(folder))
        self.addCleanup(sys.modules.pop, f"diglett.plugins.{name}", None)
        return name

    def test_contracts(self) -> None:
        """Every plugin that ships keeps to its contract and has a help line that starts with its name."""
        for contract in (IAuthenticatorPlugin, IRegistrarPlugin):
            for plugin in available(contract):
                verifyObject(IPlugin, plugin)
                verifyObject(contract, plugin)
                self.assertTrue(plugin.help.startswith(plugin.name), plugin.help)

    def test_ours(self) -> None:
        """The built-in names give objects that keep to their contracts."""
        verifyObject(IAuthenticator, openAuthenticator("open", self.context))
        [(label, registrar)] = openRegistrars(["print"], self.context)
        self.assertEqual(label, "print")
        verifyObject(IRegistrar, registrar)

    def test_unknown(self) -> None:
        """An unknown name is an error that names the nearest one, or all there are."""
        error = self.assertRaises(UsageError, openAuthenticator, "token", self.context)
        self.assertIn("did you mean tokens?", str(error))
        error = self.assertRaises(UsageError, openRegistrars, ["zzz:secret"], self.context)
        self.assertIn("print", str(error))
        self.assertNotIn("secret", str(error))

    def test_dropIn(self) -> None:
        """A third party's module is found once it lies in a plugin folder; its argument is all after a colon."""
        name = self.dropIn(THIRD_PARTY)
        openRegistrars(["theirs:https://x:1/y"], self.context)
        self.assertEqual(sys.modules[f"diglett.plugins.{name}"].made, ["https://x:1/y"])

    def test_brokenPlugin(self) -> None:
        """A module that cannot be imported is reported and does not hide the others."""
        self.dropIn("import no_such_package_anywhere\n")
        self.assertIn("print", [plugin.name for plugin in available(IRegistrarPlugin)])
        self.assertEqual(len(self.flushLoggedErrors(ImportError)), 1)

    def test_missingExtra(self) -> None:
        """A plugin whose optional dependency is missing says how to install it."""
        self.dropIn(THIRD_PARTY)
        error = self.assertRaises(UsageError, openRegistrars, ["needy"], self.context)
        self.assertIn("pip install 'diglett[needs]'", str(error))

    def test_wrongProduct(self) -> None:
        """What a plugin makes must provide the contract."""
        self.dropIn(THIRD_PARTY)
        self.assertIn("IRegistrar", str(self.assertRaises(UsageError, openRegistrars, ["wrong"], self.context)))

    def test_twoOfOneName(self) -> None:
        """Two plugins of one name are refused rather than one of them chosen by chance."""
        self.dropIn(THIRD_PARTY)
        self.assertIn("several", str(self.assertRaises(UsageError, openRegistrars, ["twice"], self.context)))

    def test_labels(self) -> None:
        """Labels tell two registrars of one kind apart without showing an argument."""
        self.dropIn(THIRD_PARTY)
        opened = openRegistrars(["theirs:secret", "print", "theirs:other"], self.context)
        self.assertEqual([label for label, _ in opened], ["theirs", "print", "theirs 2"])

    def test_describe(self) -> None:
        """The two kinds of description are not taken for each other."""
        self.assertTrue(IAuthenticatorPlugin.providedBy(AuthenticatorPlugin("a", "a", print)))
        self.assertFalse(IRegistrarPlugin.providedBy(AuthenticatorPlugin("a", "a", print)))
        self.assertTrue(IRegistrarPlugin.providedBy(RegistrarPlugin("a", "a", print)))


class GatewayIdentityTests(SynchronousTestCase):
    """`gatewayIdentity`: who we are among gateways."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp())
        self.state.mkdir()

    def test_kept(self) -> None:
        """It is the same after a restart, and another in another state folder."""
        identity = gatewayIdentity(self.state)
        self.assertEqual(gatewayIdentity(self.state), identity)
        other = Path(self.mktemp())
        other.mkdir()
        self.assertNotEqual(gatewayIdentity(other), identity)

    def test_chosen(self) -> None:
        """An operator may choose one, but not any."""
        path = self.state / "gateway.id"
        path.write_text("berlin-1\n")
        self.assertEqual(gatewayIdentity(self.state), "berlin-1")
        for text in ("", "a/b", "a b", "x" * 65):
            path.write_text(text)
            self.assertRaises(UsageError, gatewayIdentity, self.state)


class SplitArgumentTests(SynchronousTestCase):
    """`splitArgument` on the forms an argument may have."""

    known = {"timeout": None, "names": None}

    def test_options(self) -> None:
        """Options follow the main part after commas and may be repeated."""
        self.assertEqual(
            splitArgument("https://x/,timeout=3,names=a,names=b", self.known),
            ("https://x/", {"timeout": ["3"], "names": ["a", "b"]}),
        )

    def test_withoutMain(self) -> None:
        """Options may stand alone."""
        self.assertEqual(splitArgument("timeout=3", self.known), ("", {"timeout": ["3"]}))
        self.assertEqual(splitArgument("", self.known), ("", {}))

    def test_commas(self) -> None:
        """A comma before anything but a key belongs to the text; an escaped one always does."""
        self.assertEqual(splitArgument("/a,b", self.known), ("/a,b", {}))
        self.assertEqual(splitArgument(r"/a\,timeout=3", self.known), ("/a,timeout=3", {}))

    def test_unknownOption(self) -> None:
        """A misspelt option is an error that names the nearest one."""
        error = self.assertRaises(UsageError, splitArgument, "x,timeot=3", self.known)
        self.assertIn("did you mean timeout?", str(error))
