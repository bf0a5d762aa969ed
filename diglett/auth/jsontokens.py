"""`jwt:KEYS,audience=NAME`: tokens signed by an issuer, checked with its public keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.auth.answers import accountId, limits, namePatterns
from diglett.auth.jwtkeys import FileKeys, Keys, UrlKeys
from diglett.errors import DiglettError, LoginRefused, UsageError
from diglett.extensions import splitArgument
from diglett.fetching import checkUrl
from diglett.interfaces import IAuthenticator

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext

_OPTIONS = ("audience", "issuer", "names-claim", "limits-claim", "leeway", "disconnect")

_LONGEST = 16_384


def create(argument: str, context: PluginContext) -> JsonWebTokens:
    """`FILE-or-URL,audience=NAME[,issuer=NAME][,disconnect=yes]...`."""
    source, values = splitArgument(argument, dict.fromkeys(_OPTIONS))
    options = {key: value[-1] for key, value in values.items()}
    if not source:
        raise UsageError("jwt needs a file of public keys or the URL of a JWKS")
    if not options.get("audience"):
        raise UsageError("jwt needs the audience: jwt:KEYS,audience=NAME")
    if options.get("disconnect", "no") not in ("yes", "no"):
        raise UsageError("jwt: disconnect is yes or no")
    if not options.get("leeway", "30").isdigit():
        raise UsageError("jwt: leeway is a number of seconds")
    keys: Keys
    if source.startswith(("http://", "https://")):
        keys = UrlKeys(checkUrl(source), context.reactor, context.log)
    else:
        keys = FileKeys(Path(source).expanduser(), context.reactor, context.log)
    return JsonWebTokens(keys, context, options)


@implementer(IAuthenticator)
class JsonWebTokens:
    """Believes signatures. Who is connected stays when the token expires, unless `disconnect=yes`."""

    clientAuthorities = None

    def __init__(self, keys: Keys, context: PluginContext, options: dict[str, str]) -> None:
        self._keys = keys
        self._clock = context.reactor
        self._audience = options["audience"]
        self._issuer = options.get("issuer")
        self._names = options.get("names-claim", "names")
        self._limits = options.get("limits-claim", "limits")
        self._leeway = int(options.get("leeway", "30"))
        self._disconnect = options.get("disconnect") == "yes"

    def start(self, changed: Callable[[], None]) -> Any:
        """Get the keys."""
        return self._keys.start(changed)

    def stop(self) -> Any:
        """Look after the keys no longer."""
        return self._keys.stop()

    def messages(self) -> list[str]:
        """Nothing."""
        return []

    async def authenticate(self, credentials: Credentials) -> Account:
        """What the claims of a properly signed token say."""
        token = credentials.token or ""
        if not token or len(token) > _LONGEST:
            raise LoginRefused("no token, or one that is too long to be true")
        return await self._verify(token, self._clock.seconds())

    def authorize(self, account: Account, name: str) -> bool:
        """What the names claim says."""
        return account.allows(name)

    async def refresh(self, account: Account) -> Account:
        """Verified again with the keys of today, if the keys are ours to change or expiry matters."""
        if not self._disconnect and not self._keys.strict:
            return account
        return await self._verify(str(account.credential), self._clock.seconds() if self._disconnect else None)

    async def _verify(self, token: str, now: float | None) -> Account:
        """The account; `now` is None if it does not matter that the token has expired."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(header.get("kid"), header.get("alg"))
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                # The times are compared below, by the gateway's clock.
                options={
                    "require": ["exp", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            self._checkTimes(claims, now)
            return Account(
                accountId(claims["sub"]),
                namePatterns(claims.get(self._names)),
                limits(claims.get(self._limits)),
                float(claims["exp"]) + self._leeway if self._disconnect else None,
                token,
            )
        except (jwt.PyJWTError, DiglettError, ValueError) as error:
            if isinstance(error, LoginRefused):
                raise
            raise LoginRefused(f"not a good JWT: {type(error).__name__}: {error}") from None

    def _checkTimes(self, claims: dict[str, Any], now: float | None) -> None:
        for claim in ("exp", "nbf"):
            value = claims.get(claim, 0)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e15:
                raise LoginRefused(f"the claim {claim} is not a time")
            if now is None:
                continue
            if claim == "exp" and value + self._leeway <= now:
                raise LoginRefused("the JWT has expired")
            if claim == "nbf" and value - self._leeway > now:
                raise LoginRefused("the JWT is not valid yet")
