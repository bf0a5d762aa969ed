"""`certificate:CAFILE`: agents show a client certificate, and its name is the account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.auth.files import WatchedFile
from diglett.auth.patterns import NamePatterns
from diglett.errors import LoginRefused, UsageError
from diglett.extensions import splitArgument
from diglett.interfaces import IAuthenticator

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext


def create(argument: str, context: PluginContext) -> CertificateNames:
    """`CAFILE[,names=GLOB...][,revoked=FILE]`."""
    path, options = splitArgument(argument, {"names": None, "revoked": None})
    if not path:
        raise UsageError("certificate needs a file of authorities: certificate:/etc/diglett/agents-ca.pem")
    revoked = options.get("revoked", [])
    if len(revoked) > 1:
        raise UsageError("certificate takes one file of revoked names")
    return CertificateNames(
        Path(path).expanduser(),
        NamePatterns.parse(options.get("names", ())),
        Path(revoked[0]).expanduser() if revoked else None,
        context,
    )


@implementer(IAuthenticator)
class CertificateNames:
    """Believes the TLS layer, which verified the certificate; `revoked` lists names that are out all the same."""

    def __init__(
        self, authorities: Path, patterns: NamePatterns, revoked: Path | None, context: PluginContext
    ) -> None:
        self.clientAuthorities = authorities
        self._patterns = patterns
        self._revoked: WatchedFile[frozenset[str]] | None = None
        if revoked is not None:
            self._revoked = WatchedFile(revoked, _names, context.reactor, context.log)

    def start(self, changed: Callable[[], None]) -> None:
        """See that there are authorities, and read who is revoked."""
        from cryptography import x509

        try:
            x509.load_pem_x509_certificates(self.clientAuthorities.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot read {self.clientAuthorities}: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"there is no PEM certificate in {self.clientAuthorities}") from None
        if self._revoked is not None:
            self._revoked.start(changed)

    def stop(self) -> None:
        """Stop watching."""
        if self._revoked is not None:
            self._revoked.stop()

    def messages(self) -> list[str]:
        """Whether names are restricted."""
        return self._patterns.message(f"everybody with a certificate of {self.clientAuthorities}")

    def authenticate(self, credentials: Credentials) -> Account:
        """An account by the name of the certificate; tokens do not matter."""
        name = credentials.certificateName
        if not name:
            raise LoginRefused("no client certificate was shown")
        if self._revoked is not None:
            self._revoked.check()
        return self.refresh(Account(name, self._patterns.of(name)))

    def authorize(self, account: Account, name: str) -> bool:
        """What the patterns say."""
        return account.allows(name)

    def refresh(self, account: Account) -> Account:
        """Unchanged, unless the name is revoked by now."""
        if self._revoked is not None and account.id in self._revoked.value:
            raise LoginRefused(f"the certificate name {account.id} is revoked")
        return account


def _names(data: bytes) -> frozenset[str]:
    try:
        lines = (line.strip() for line in data.decode("utf-8").splitlines())
    except UnicodeDecodeError:
        raise UsageError("not UTF-8") from None
    return frozenset(line for line in lines if line and not line.startswith("#"))
