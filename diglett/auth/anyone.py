"""`open`: anybody may connect and take any free name. It says so at every start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.errors import UsageError
from diglett.interfaces import IAuthenticator

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext


def create(argument: str, context: PluginContext) -> Anyone:
    """The `open` authenticator; it takes no argument."""
    if argument:
        raise UsageError("the authenticator open takes no argument")
    return Anyone()


@implementer(IAuthenticator)
@define
class Anyone:
    """Says yes to everything.

    Without tokens nothing tells two people apart but their addresses: so these
    are the accounts, and a name is taken over only from the same address.
    """

    clientAuthorities = None

    def start(self, changed: Callable[[], None]) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""

    def messages(self) -> list[str]:
        """A warning nobody can overlook."""
        return ["WARNING: --auth open: ANYBODY who reaches the agent port may publish under any free name"]

    def authenticate(self, credentials: Credentials) -> Account:
        """An account for the address."""
        return Account(f"anyone@{credentials.peer}", ("*",))

    def authorize(self, account: Account, name: str) -> bool:
        """Yes."""
        return True

    def refresh(self, account: Account) -> Account:
        """Unchanged."""
        return account
