"""Whether somebody who is connected may stay: asked again when answers may have changed, and when its time is over."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett.accounts import Account
from diglett.errors import LoginRefused, Refused

log = Logger()

AGAIN = 30.0
"""Seconds until the next question when there was no answer to the last one."""
_DAY = 86_400.0


class Member(Protocol):
    """A session."""

    account: Account
    label: str

    @property
    def names(self) -> set[str]: ...

    def end(self, error: Refused) -> None: ...


class Standing:
    """Asks the authenticator about one session, one question at a time: a newer one takes the place of an older."""

    def __init__(self, clock: Any, authenticator: Any, member: Member) -> None:
        self._clock = clock
        self._authenticator = authenticator
        self._member = member
        self._begun = False
        self._over = False
        self._stale = False
        """Answers have changed since the login, before there was anybody to be let go."""
        self._timer: Any = None
        self._question: Deferred[None] | None = None

    def begin(self) -> None:
        """The session is established."""
        self._begun = True
        if not self._over:
            self._ask() if self._stale else self._wait()

    def changed(self) -> None:
        """An earlier answer may be another one by now."""
        if not self._begun:
            self._stale = True
        elif not self._over:
            self._ask()

    def end(self) -> None:
        """The session is over."""
        self._over = True
        self._forget()

    def _forget(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        question, self._question = self._question, None
        if question is not None:
            question.cancel()

    def _ask(self) -> None:
        self._forget()
        question = Deferred.fromCoroutine(self._hear())
        self._question = question
        question.addErrback(self._bug)

    async def _hear(self) -> None:
        member = self._member
        try:
            account = await self._authenticator.refresh(member.account)
            if account.id != member.account.id:
                raise LoginRefused(f"{member.account.id} is taken for {account.id} now")
            for name in sorted(member.names):
                if not await self._authenticator.authorize(account, name):
                    raise LoginRefused(f"{account.id} may no longer use the name {name}")
        except Refused as error:
            self._question = None  # which is not to be cancelled by the end that it brings
            self._no(error)
        else:
            member.account = account
            self._wait()

    def _no(self, error: Refused) -> None:
        member = self._member
        expires = member.account.expires
        if error.permanent:
            member.end(Refused(str(error), code="revoked", permanent=True))
        elif expires is not None and expires <= self._clock.seconds():
            member.end(Refused(f"the time of {member.account.id} is over; {error}", code=error.code))
        else:
            self._wait(AGAIN)

    def _wait(self, longest: float = _DAY) -> None:
        expires = self._member.account.expires
        if expires is not None:
            longest = min(longest, max(0.0, expires - self._clock.seconds()))
        elif longest == _DAY:
            return
        self._timer = self._clock.callLater(longest, self._ask)

    def _bug(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("{peer}: a bug in asking again", failure=failure, peer=self._member.label)
