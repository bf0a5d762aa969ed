"""`webhook:URL`: somebody else's program says who it is, asked over HTTP."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.auth.answers import BadAnswer, accountId, limits, namePatterns
from diglett.errors import LoginRefused, UsageError
from diglett.extensions import splitArgument
from diglett.fetching import Fetcher, FetchFailed, checkUrl, readSecret
from diglett.interfaces import IAuthenticator

if TYPE_CHECKING:
    from twisted.web.iweb import IAgent

    from diglett.interfaces import PluginContext

VARIABLE = "DIGLETT_WEBHOOK_SECRET"

_CACHED = 1024
_LONGEST = 86_400.0
_UNSAID = 300.0
"""Seconds after which an account is asked about again if the answer does not say."""

_AGAIN = 30.0
"""Seconds until the next try when an account could not be asked about."""


def create(argument: str, context: PluginContext) -> Webhook:
    """`URL[,secret-file=FILE][,timeout=SECONDS][,grace=SECONDS]`."""
    url, options = splitArgument(argument, {"secret-file": None, "timeout": None, "grace": None})
    secret = readSecret(options.get("secret-file", [None])[-1], VARIABLE)
    if secret is None:
        raise UsageError(f"webhook needs a shared secret: set {VARIABLE} or add ,secret-file=FILE")
    return Webhook(
        checkUrl(url),
        secret,
        context,
        timeout=_seconds(options, "timeout", 5.0),
        grace=_seconds(options, "grace", 300.0),
    )


def _seconds(options: dict[str, list[str]], key: str, default: float) -> float:
    text = options.get(key, [str(default)])[-1]
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST:
        raise UsageError(f"webhook: {key}={text} is not a number of seconds")
    return seconds


@frozen
class _Asked:
    """What to ask again with, and when the last good answer came."""

    credentials: Credentials
    when: float


@implementer(IAuthenticator)
class Webhook:
    """Believes answers for as long as they say, and nobody without one.

    Who is connected while the webhook is out of order stays for `grace`
    seconds after the last good answer; nobody comes in meanwhile.
    """

    clientAuthorities = None

    def __init__(
        self,
        url: str,
        secret: bytes,
        context: PluginContext,
        *,
        timeout: float = 5.0,
        grace: float = 300.0,
        agent: IAgent | None = None,
    ) -> None:
        self._url = url
        self._secret = secret
        self._context = context
        self._clock = context.reactor
        self._grace = grace
        self._fetcher = Fetcher(context.reactor, timeout=timeout, agent=agent)
        self._known: OrderedDict[bytes, tuple[Account, float]] = OrderedDict()  # and until when

    def start(self, changed: Callable[[], None]) -> None:
        """Nothing to do: the webhook may come up later than we."""

    def stop(self) -> Any:
        """Close connections."""
        self._known.clear()
        return self._fetcher.stop()

    def messages(self) -> list[str]:
        """Nothing."""
        return []

    async def authenticate(self, credentials: Credentials) -> Account:
        """What the webhook says, or said not too long ago."""
        key = _key(credentials)
        known = self._known.get(key)
        if known is not None and known[1] > self._clock.seconds():
            return known[0]
        return await self._ask("login", credentials, key)

    def authorize(self, account: Account, name: str) -> bool:
        """What the patterns in the answer say."""
        return account.allows(name)

    async def refresh(self, account: Account) -> Account:
        """Asked anew."""
        asked = account.credential
        assert isinstance(asked, _Asked)
        try:
            fresh = await self._ask("check", asked.credentials, _key(asked.credentials))
        except LoginRefused:
            raise
        except Exception as error:
            now = self._clock.seconds()
            if now >= asked.when + self._grace:
                raise
            self._context.log.warn(
                "the webhook could not be asked about {account}, who stays for now: {reason}",
                account=account.id,
                reason=str(error) or type(error).__name__,
            )
            return evolve(account, expires=min(now + _AGAIN, asked.when + self._grace))
        if fresh.id != account.id:
            raise LoginRefused(f"the webhook takes {account.id} for {fresh.id} now")
        return fresh

    async def _ask(self, event: str, credentials: Credentials, key: bytes) -> Account:
        self._known.pop(key, None)
        answer = await self._fetcher.fetch(
            "POST",
            self._url,
            {
                "event": event,
                "token": credentials.token,
                "certificate": credentials.certificateName,
                "address": credentials.peer,
                "gateway": self._context.gateway,
                "domain": self._context.domain,
            },
            secret=self._secret,
        )
        if answer.status in (401, 403):
            raise LoginRefused(f"the webhook said {answer.status}")
        if answer.status != 200:
            raise FetchFailed(f"the webhook answered {answer.status}")
        said = answer.json()
        if not isinstance(said, dict):
            raise BadAnswer("the webhook's answer is not an object")
        now = self._clock.seconds()
        kept = said.get("ttl", 0)
        if isinstance(kept, bool) or not isinstance(kept, (int, float)) or not 0 <= kept <= 1e9:
            raise BadAnswer("ttl must be a number of seconds")
        kept = min(float(kept), _LONGEST)
        account = Account(
            accountId(said.get("account")),
            namePatterns(said.get("names")),
            limits(said.get("limits")),
            now + (max(kept, 10.0) if "ttl" in said else _UNSAID),
            _Asked(credentials, now),
        )
        if kept:
            self._known[key] = (account, now + kept)
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
        return account


def _key(credentials: Credentials) -> bytes:
    """What answers are remembered by; no token is kept for it."""
    parts = (credentials.token, credentials.certificateName, credentials.peer)
    return hashlib.sha256(repr(parts).encode()).digest()
