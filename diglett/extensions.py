"""Finding what is plugged in: `name:argument` strings become authenticators and registrars."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen
from twisted.plugin import IPlugin, getPlugins
from zope.interface import implementer

from diglett.errors import UsageError
from diglett.interfaces import IAuthenticator, IAuthenticatorPlugin, IRegistrar, IRegistrarPlugin
from diglett.state import createPrivate

if TYPE_CHECKING:
    from zope.interface.interface import InterfaceClass

    from diglett.interfaces import PluginContext

Factory = Callable[[str, "PluginContext"], Any]

_OPTION = re.compile(r"(?<!\\),(?=[a-z-]+=)")


@frozen
class _Plugin:
    """A name, a line of help, and the factory: a callable or the dotted path of one.

    A dotted path is imported only when the plugin is chosen. `extra` names the
    optional dependencies (`diglett[extra]`) without which that import fails.
    """

    name: str
    help: str
    factory: str | Factory
    extra: str | None = None

    def create(self, argument: str, context: PluginContext) -> Any:
        factory = self.factory
        if isinstance(factory, str):
            module, _, attribute = factory.rpartition(".")
            try:
                factory = getattr(import_module(module), attribute)
            except ImportError as error:
                if self.extra is None:
                    raise
                raise UsageError(
                    f"{self.name} needs {error.name or 'a package'}: pip install 'diglett[{self.extra}]'"
                ) from error
        return factory(argument, context)


@implementer(IPlugin, IAuthenticatorPlugin)
class AuthenticatorPlugin(_Plugin):
    """Describes an authenticator; put one into a module of `diglett/plugins`."""


@implementer(IPlugin, IRegistrarPlugin)
class RegistrarPlugin(_Plugin):
    """Describes a registrar; put one into a module of `diglett/plugins`."""


def available(contract: InterfaceClass) -> list[Any]:
    """The plugins of `IAuthenticatorPlugin` or `IRegistrarPlugin`, by name."""
    import diglett.plugins

    return sorted(getPlugins(cast(Any, contract), diglett.plugins), key=lambda plugin: plugin.name)


def openAuthenticator(spec: str, context: PluginContext) -> IAuthenticator:
    """The authenticator of a `name:argument` string, not started yet; `UsageError` if there is none."""
    made: IAuthenticator = _open(IAuthenticatorPlugin, IAuthenticator, "authenticator", spec, context)
    return made


def openRegistrars(specs: Sequence[str], context: PluginContext) -> list[tuple[str, IRegistrar]]:
    """The registrars of several strings, each with a label for the log that shows no argument.

    An argument may hold a secret; so only the name, and a number if it occurs again, is the label.
    """
    opened: list[tuple[str, IRegistrar]] = []
    for spec in specs:
        name = spec.partition(":")[0]
        same = sum(label.partition(" ")[0] == name for label, _ in opened)
        label = f"{name} {same + 1}" if same else name
        opened.append((label, _open(IRegistrarPlugin, IRegistrar, "registrar", spec, context)))
    return opened


def _open(contract: InterfaceClass, product: InterfaceClass, noun: str, spec: str, context: PluginContext) -> Any:
    name, _, argument = spec.partition(":")
    plugins = available(contract)
    found = [plugin for plugin in plugins if plugin.name == name]
    if not found:
        names = [plugin.name for plugin in plugins]
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise UsageError(f"no {noun} is called {name!r}; {hint}")
    if len(found) > 1:
        raise UsageError(f"several plugins call themselves {name!r}: {', '.join(map(repr, found))}")
    made = found[0].create(argument, context)
    if not product.providedBy(made):
        raise UsageError(f"the plugin {name!r} made {made!r}, which is no {product.__name__}")
    return made


def gatewayIdentity(state: Path) -> str:
    """Who this gateway is among others that share a proxy or a store; kept in its state folder from the first time on.

    Two gateways of one identity would take each other's names for leftovers of their own.
    """
    path = state / "gateway.id"
    try:
        createPrivate(path, secrets.token_hex(6) + "\n")
        identity = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot use {path}: {error}") from None
    if not re.match(r"[A-Za-z0-9._-]{1,64}\Z", identity):
        raise UsageError(f"{path} holds no identity; remove it for a new one")
    return identity


def splitArgument(argument: str, known: Mapping[str, Any]) -> tuple[str, dict[str, list[str]]]:
    """Take `MAIN,key=value,key=value` apart.

    Every key must be one of `known`; its values come as a list, for it may be
    repeated. A comma that belongs to MAIN or a value, and looks like the start
    of an option, is written `\\,`.
    """
    main, *options = _OPTION.split("," + argument if re.match(r"[a-z-]+=", argument) else argument)
    values: dict[str, list[str]] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in known:
            near = get_close_matches(key, known, 1) or sorted(known)
            raise UsageError(f"unknown option {key!r}; did you mean {' or '.join(near)}?")
        values.setdefault(key, []).append(value.replace("\\,", ","))
    return main.replace("\\,", ","), values
