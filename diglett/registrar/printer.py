"""`print`: tells a person, by way of the log; as the original does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from zope.interface import implementer

from diglett.errors import UsageError
from diglett.interfaces import ILease, IRegistrar

if TYPE_CHECKING:
    from twisted.logger import Logger

    from diglett.interfaces import PluginContext, Registration


def create(argument: str, context: PluginContext) -> Printer:
    """The `print` registrar; it takes no argument."""
    if argument:
        raise UsageError("the registrar print takes no argument")
    return Printer(context.log)


@implementer(ILease)
@frozen
class _Line:
    fqdn: str
    log: Logger
    urls: tuple[str, ...] = ()

    def withdraw(self) -> None:
        self.log.info("withdrawn {name}", event="withdrawn", name=self.fqdn)


@implementer(IRegistrar)
@frozen
class Printer:
    """One line when a name comes, one when it goes."""

    log: Logger

    def start(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""

    def publish(self, registration: Registration) -> _Line:
        """Log `registered FQDN -> HOST:PORT`."""
        host = f"[{registration.host}]" if ":" in registration.host else registration.host
        self.log.info(
            "registered {name} -> {host}:{port}",
            event="registered",
            name=registration.fqdn,
            host=host,
            port=registration.port,
        )
        return _Line(registration.fqdn, self.log)
