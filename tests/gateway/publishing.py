"""A registrar in memory."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from diglett.interfaces import ILease, IRegistrar, Registration


@implementer(ILease)
class Lease:
    """A publication that remembers its withdrawal."""

    urls: tuple[str, ...] = ()

    def __init__(self, registrar: MemoryRegistrar, name: str) -> None:
        self.registrar = registrar
        self.name = name
        registrar.standing.append(name)

    def withdraw(self) -> None:
        self.registrar.standing.remove(self.name)
        self.registrar.log.append(f"withdrawn {self.name}")


@implementer(IRegistrar)
class MemoryRegistrar:
    """Publishes into a list; fails or waits when told to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.answer: Any = None
        self.registrations: list[Registration] = []
        self.standing: list[str] = []
        """What was published and not withdrawn, in order."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def publish(self, registration: Registration) -> Any:
        self.log.append(f"registered {registration.fqdn}")
        self.registrations.append(registration)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer.addCallback(lambda _: Lease(self, registration.fqdn))
        return Lease(self, registration.fqdn)
