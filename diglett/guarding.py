"""What stands between agents and any authenticator: a time limit, one answer for every no, back-off."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.asking import ask
from diglett.errors import LoginRefused, Refused
from diglett.hushed import Hushed
from diglett.interfaces import IAuthenticator

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

REFUSAL = "the gateway does not accept these credentials"


class Backoff:
    """Failed logins by address, and how long each address has to wait for its next try.

    The first `free` failures cost nothing; each further one doubles the wait,
    from one second to `longest`. Failures are forgotten with time only, one in
    `forgiven` seconds: a success in between would otherwise let the owner of
    one account guess at others for ever. An IPv6 address counts with its /64.
    At most `entries` addresses are remembered; the one quiet for longest goes.
    """

    def __init__(
        self,
        clock: IReactorTime,
        *,
        free: int = 5,
        longest: float = 300.0,
        forgiven: float = 60.0,
        entries: int = 10_000,
    ) -> None:
        self._clock = clock
        self._free = free
        self._longest = longest
        self._forgiven = forgiven
        self._entries = entries
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()  # count, when

    def failed(self, peer: str) -> None:
        """Note a failed login from this address."""
        key, now = network(peer), self._clock.seconds()
        self._failures[key] = (self._remembered(key, now) + 1, now)
        self._failures.move_to_end(key)
        if len(self._failures) > self._entries:
            self._failures.popitem(last=False)

    def wait(self, peer: str) -> float:
        """Seconds until this address may try again; 0 means now."""
        key, now = network(peer), self._clock.seconds()
        if key not in self._failures:
            return 0.0
        count, when = self._failures[key]
        if count <= self._free:
            return 0.0
        pause: float = min(2.0 ** min(count - self._free - 1, 30), self._longest)
        return max(0.0, when + pause - now)

    def _remembered(self, key: str, now: float) -> float:
        count, when = self._failures.get(key, (0.0, now))
        return max(0.0, count - (now - when) / self._forgiven)


def network(peer: str) -> str:
    """What failures are counted by: an IPv4 address, an IPv6 /64, or the text itself."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)


@implementer(IAuthenticator)
class GuardedAuthenticator:
    """Any authenticator, made safe to be asked by strangers; answers with Deferreds only.

    `authenticate` and `refresh` fail with nothing but `LoginRefused`: permanent
    with one text for every reason when the credentials are not good, and not
    permanent when the authenticator failed, hung (`timeout` seconds) or the
    address has to wait. `authorize` gives a bool, or fails with a `Refused` that is not
    permanent. The reasons go to the operator's log.
    """

    def __init__(
        self,
        inner: IAuthenticator,
        clock: IReactorTime,
        *,
        timeout: float = 10.0,
        startTimeout: float = 30.0,
        pendingPerAddress: int = 32,
        backoff: Backoff | None = None,
        log: Logger | None = None,
    ) -> None:
        self.clientAuthorities = inner.clientAuthorities
        self._inner = inner
        self._clock = clock
        self._timeout = timeout
        self._startTimeout = startTimeout
        self._pendingPerAddress = pendingPerAddress
        self._pending: Counter[str] = Counter()
        self._backoff = backoff or Backoff(clock)
        self._log = log or Logger("diglett.guarding")
        self._hushed = Hushed(self._log, clock.seconds)

    def start(self, changed: Callable[[], None]) -> Deferred[None]:
        """Start the authenticator; its failure is passed on as it is."""
        return ask(lambda: self._inner.start(changed), self._startTimeout, self._clock)

    def stop(self) -> Deferred[None]:
        """Stop the authenticator; never fails."""
        return ask(self._inner.stop, self._timeout, self._clock).addErrback(self._report, "stop", None)

    def messages(self) -> Sequence[str]:
        """The authenticator's own."""
        return self._inner.messages()

    def authenticate(self, credentials: Credentials) -> Deferred[Account]:
        """The account; a refusal counts against the address."""
        peer = credentials.peer
        key = network(peer)
        wait = self._backoff.wait(peer)
        if wait > 0:
            self._log.debug(
                "login from {peer} not looked at: back-off for {wait:.0f} s",
                event="login-throttled",
                peer=peer,
                wait=wait,
            )
            return fail(_throttled(f"too many failed logins from this address; try again in {wait:.0f} s"))
        if self._pending[key] >= self._pendingPerAddress:
            return fail(_throttled("too many logins at once from this address; try again"))
        self._pending[key] += 1

        def answered(result: Any) -> Any:
            self._pending[key] -= 1
            if not self._pending[key]:
                del self._pending[key]
            return result

        def refused(failure: Failure) -> Failure:
            if isinstance(failure.value, LoginRefused) and failure.value.permanent:
                self._backoff.failed(peer)
                reason = failure.getErrorMessage()
                self._hushed.info(
                    f"{key} {reason}",
                    "login from {peer} refused: {reason}",
                    event="login-refused",
                    peer=peer,
                    reason=reason,
                )
                raise LoginRefused(REFUSAL)
            return self._unable(failure, "check a login", peer)

        asked = ask(lambda: self._inner.authenticate(credentials), self._timeout, self._clock)
        return asked.addBoth(answered).addCallback(self._valid).addErrback(refused)

    def refresh(self, account: Account) -> Deferred[Account]:
        """The account as it is now."""

        def refused(failure: Failure) -> Failure:
            if isinstance(failure.value, LoginRefused) and failure.value.permanent:
                self._log.info(
                    "{account} is no longer allowed: {reason}",
                    event="account-revoked",
                    account=account.id,
                    reason=failure.getErrorMessage(),
                )
                raise LoginRefused(REFUSAL)
            return self._unable(failure, "check again", account.id)

        asked = ask(lambda: self._inner.refresh(account), self._timeout, self._clock)
        return asked.addCallback(self._valid).addErrback(refused)

    def authorize(self, account: Account, name: str) -> Deferred[bool]:
        """True only if the authenticator answered `True` itself."""

        def refused(failure: Failure) -> Failure:
            if failure.check(CancelledError):
                return failure
            self._report(failure, f"check the name {name}", account.id)
            raise Refused("the gateway could not check this name now; try again", code="try-again")

        asked = ask(lambda: self._inner.authorize(account, name), self._timeout, self._clock)
        return asked.addCallback(lambda answer: answer is True).addErrback(refused)

    def _valid(self, account: Any) -> Account:
        if not isinstance(account, Account):
            raise TypeError(f"the authenticator answered with {type(account).__name__}, not an Account")
        if account.expires is not None and account.expires <= self._clock.seconds():
            raise LoginRefused(f"the account {account.id} has expired")
        return account

    def _unable(self, failure: Failure, what: str, whom: str) -> Failure:
        if failure.check(CancelledError, LoginRefused):
            return failure
        self._report(failure, what, whom)
        raise _later("the gateway could not check these credentials now; try again")

    def _report(self, failure: Failure, what: str, whom: str | None) -> None:
        reason = failure.getErrorMessage()
        self._hushed.error(
            f"{what} {reason}",
            "the authenticator could not {what} ({whom}): {type}: {reason}",
            event="authenticator-failed",
            what=what,
            whom=whom or "-",
            type=type(failure.value).__name__,
            reason=reason,
        )


def _later(message: str) -> LoginRefused:
    return LoginRefused(message, code="try-again", permanent=False)


def _throttled(message: str) -> LoginRefused:
    return LoginRefused(message, code="login-throttled", permanent=False)
