"""The public keys of a JWT issuer: from a file, or from a JWKS address that changes them at will."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import jwt
from attrs import frozen
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from diglett.auth.files import WatchedFile
from diglett.errors import LoginRefused, UsageError
from diglett.fetching import Answer, Fetcher, FetchFailed

if TYPE_CHECKING:
    from twisted.logger import Logger
    from twisted.python.failure import Failure
    from twisted.web.iweb import IAgent

_MOST = 100
"""Keys in one set."""

_EVERY = 300.0
_SOONEST = 10.0
_STALE = 86_400.0


@frozen
class Key:
    """A public key, the one algorithm it is for, and the id it goes by, if any."""

    id: str | None
    algorithm: str
    key: Any


class Keys(Protocol):
    """Where keys come from. `strict`: a key that is gone ends the sessions of those who came by it."""

    strict: bool

    def start(self, changed: Callable[[], None]) -> Any:
        """Begin to look after them."""

    def stop(self) -> Any:
        """Stop that."""

    async def find(self, keyId: Any, algorithm: Any) -> Key:
        """The key for a token with this header; `LoginRefused` if there is none."""


class FileKeys:
    """A PEM file with one public key, or a JWKS file; the operator's own to change."""

    strict = True

    def __init__(self, path: Path, clock: Any, log: Logger) -> None:
        self._file = WatchedFile(path, parse, clock, log)

    def start(self, changed: Callable[[], None]) -> None:
        """Read the file."""
        self._file.start(changed)

    def stop(self) -> None:
        """Stop watching the file."""
        self._file.stop()

    async def find(self, keyId: Any, algorithm: Any) -> Key:
        """One of the file's."""
        self._file.check()
        return _choose(self._file.value, keyId, algorithm)


class UrlKeys:
    """A JWKS address, asked every five minutes, and at once (but not more often than every ten seconds)
    when a token names a key that is not known yet. Keys that could not be confirmed for a day are not
    believed any more. Issuers retire keys as a routine: that ends no session."""

    strict = False

    def __init__(self, url: str, reactor: Any, log: Logger, agent: IAgent | None = None) -> None:
        self._url = url
        self._clock = reactor
        self._log = log
        self._fetcher = Fetcher(reactor, limit=512 * 1024, agent=agent)
        self._keys: tuple[Key, ...] = ()
        self._confirmed = float("-inf")
        self._tried = float("-inf")
        self._loop = LoopingCall(self._ask)
        self._loop.clock = reactor
        self._request: Deferred[Any] | None = None
        self._waiting: list[Deferred[None]] = []

    def start(self, changed: Callable[[], None]) -> None:
        """Ask; it may come up later than we, and until then nobody gets in."""
        self._loop.start(_EVERY)

    def stop(self) -> Any:
        """Ask no more."""
        if self._loop.running:
            self._loop.stop()
        if self._request is not None:
            self._request.cancel()
        return self._fetcher.stop()

    async def find(self, keyId: Any, algorithm: Any) -> Key:
        """One of the address's, asked for anew if need be."""
        if self._waiting:
            await self._ask()
        try:
            return self._known(keyId, algorithm)
        except LoginRefused:
            if self._clock.seconds() < self._tried + _SOONEST:
                raise
        await self._ask()
        return self._known(keyId, algorithm)

    def _known(self, keyId: Any, algorithm: Any) -> Key:
        if self._clock.seconds() > self._confirmed + _STALE:
            raise LoginRefused("the issuer's keys are not known at present", code="try-again", permanent=False)
        return _choose(self._keys, keyId, algorithm)

    def _ask(self) -> Deferred[None]:
        """Fires when the request under way, or else a new one, is over; cancelling is for this asker only."""
        over: Deferred[None] = Deferred()
        self._waiting.append(over)
        if len(self._waiting) == 1:
            self._tried = self._clock.seconds()
            self._request = self._fetcher.fetch("GET", self._url)
            self._request.addCallback(self._answered).addErrback(self._failed).addBoth(self._over)
        return over

    def _answered(self, answer: Answer) -> None:
        if answer.status != 200:
            raise FetchFailed(f"the answer was {answer.status}")
        self._keys = parse(answer.body)
        self._confirmed = self._clock.seconds()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        reason = failure.getErrorMessage() or type(failure.value).__name__
        self._log.error("cannot get keys from {url}: {reason}", url=self._url, reason=reason)

    def _over(self, _: None) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)


def parse(data: bytes) -> tuple[Key, ...]:
    """The keys in a PEM or JWKS document; keys of other kinds in a JWKS are passed over."""
    if b"-----BEGIN" in data:
        try:
            return (_usable(None, load_pem_public_key(data)),)
        except ValueError:
            raise UsageError("no public key in PEM; a private key or a certificate is not one") from None
    try:
        entries = json.loads(data)["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError("neither a public key in PEM nor a JWKS document") from None
    keys = []
    for entry in entries[:_MOST]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
            continue
        try:
            made = jwt.PyJWK(entry).key
            keyId = entry.get("kid")
            key = _usable(keyId if isinstance(keyId, str) else None, made)
        except (jwt.PyJWTError, UsageError, ValueError, TypeError, KeyError):
            continue
        if entry.get("alg", key.algorithm) == key.algorithm:
            keys.append(key)
    if not keys:
        raise UsageError("no key of a kind that is used here: Ed25519, P-256, or RSA from 2048 bits")
    return tuple(keys)


def _usable(keyId: str | None, key: Any) -> Key:
    """The kind of key decides the algorithm: a token has no say in it."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Key(keyId, "EdDSA", key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return Key(keyId, "ES256", key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return Key(keyId, "RS256", key)
    raise UsageError("the key is of no kind that is used here: Ed25519, P-256, or RSA from 2048 bits")


def _choose(keys: tuple[Key, ...], keyId: Any, algorithm: Any) -> Key:
    if isinstance(keyId, str):
        found = [key for key in keys if key.id == keyId] or [key for key in keys if key.id is None]
    else:
        found = list(keys)
    found = [key for key in found if key.algorithm == algorithm]
    if len(found) != 1:
        raise LoginRefused("the token is not signed by a key that is known, or does not say by which")
    return found[0]
