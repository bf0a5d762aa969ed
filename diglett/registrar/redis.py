"""`traefik-redis:URL`: routes in Redis, each key with its own time to live."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import txredisapi
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.fetching import readSecret
from diglett.registrar.routing import single
from diglett.registrar.traefikstore import CLAIMS, OPTIONS, TraefikStore, leaseTime, make, root

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext

VARIABLE = "DIGLETT_REDIS_PASSWORD"

_REJECTED = re.compile("WRONGPASS|NOAUTH|NOPERM|invalid password|AUTH|DB index")
"""In what Redis says when it will say so again."""

_CLAIM = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', ARGV[2]) end
return ''
"""

_RENEW = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
if owner and redis.call('PTTL', KEYS[1]) > ARGV[2] * 2 / 3 then return '' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for i = 2, #KEYS do
  if redis.call('PEXPIRE', KEYS[i], ARGV[2]) == 0 then redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', ARGV[2]) end
end
return ''
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', unpack(KEYS)) end
return ''
"""


def create(argument: str, context: PluginContext) -> TraefikStore:
    """`redis://HOST:6379/DB` or `unix:///PATH`, `[,ttl=SECONDS][,root=traefik][,entrypoint=NAME][,probe=URL]...`."""
    url, options = splitArgument(argument, dict.fromkeys(OPTIONS))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 6379
        database = int(parts.path.strip("/") or "0") if parts.scheme == "redis" else 0
    except ValueError:
        raise UsageError(f"traefik-redis: {url!r} must be like redis://127.0.0.1:6379/0") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"traefik-redis: give the password by {VARIABLE} or ,password-file=FILE, not in the URL")
    if parts.scheme not in ("redis", "unix") or not (host if parts.scheme == "redis" else parts.path):
        raise UsageError(f"traefik-redis: {url!r} must be like redis://127.0.0.1:6379/0 or unix:///run/redis.sock")
    password = readSecret(single(options, "password-file", "") or None, VARIABLE)
    common = {
        "dbid": database or None,
        "password": None if password is None else password.decode("utf-8"),
        "convertNumbers": False,  # values are text, whatever they look like
        "connectTimeout": 5,
        "reconnect": False,  # we do so when there is something to ask
    }
    if "user" in options:
        common["username"] = single(options, "user", "")

    def connect() -> Any:
        if parts.scheme == "unix":
            return txredisapi.lazyUnixConnection(unquote(parts.path), **common)
        return txredisapi.lazyConnection(host, port, **common)

    ttl = leaseTime(options, 30.0)
    return make(Redis(connect, context.gateway, ttl, root(options)), options, context, ttl)


class Redis:
    """Each step is one script, which Redis runs as a whole or not at all.

    There is one connection. It is made when it is needed, and not used again
    once it was lost or did not answer in time.
    """

    def __init__(self, connect: Callable[[], Any], owner: str, ttl: float, root: str) -> None:
        self._connect = connect
        self._owner = owner
        self._ttl = str(int(ttl * 1000))
        self._root = root
        self._connection: Any = None

    async def prepare(self, sentinel: str) -> None:
        """Connect; release what claims a predecessor still has."""
        try:
            await self._do("setnx", sentinel, "1")
        except (ValueError, txredisapi.ResponseError) as error:
            if _REJECTED.search(str(error)):
                raise UsageError(f"traefik-redis: {error}") from None
            raise
        for claim in await self._scan(CLAIMS + "*"):
            if await self._do("get", claim) == self._owner:
                fqdn = claim[len(CLAIMS) :]
                await self.release(claim, dict.fromkeys(await self._scan(f"{self._root}/*/*/{fqdn}/*"), ""))

    async def claim(self, claim: str, keys: Mapping[str, str]) -> str | None:
        """Claimed and routed, or the owner."""
        return await self._run(_CLAIM, claim, keys)

    async def release(self, claim: str, keys: Mapping[str, str]) -> None:
        """Gone, if it was ours."""
        await self._do("eval", _RELEASE, [claim, *keys], [self._owner])

    async def renew(self, claimed: Mapping[str, Mapping[str, str]], sentinel: str) -> dict[str, str]:
        """Each one renewed if a third of its time is over: every renewal is an event to Traefik."""
        await self._do("setnx", sentinel, "1")
        asked = [Deferred.fromCoroutine(self._run(_RENEW, claim, keys)) for claim, keys in claimed.items()]
        owners = await gatherResults(asked, consumeErrors=True)
        return {claim: owner for claim, owner in zip(claimed, owners, strict=True) if owner is not None}

    async def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect()

    async def _run(self, script: str, claim: str, keys: Mapping[str, str]) -> str | None:
        owner = await self._do("eval", script, [claim, *keys], [self._owner, self._ttl, *keys.values()])
        return owner or None

    async def _do(self, command: str, *arguments: Any) -> Any:
        """A command. All of ours may be repeated, so it is if the connection turns out to have been lost."""
        for last in (False, True):
            connection = self._connection
            if connection is None:
                connection = self._connection = self._connect()
            try:
                await connection._connected
                return await getattr(connection, command)(*arguments)
            except (txredisapi.ConnectionError, ValueError, CancelledError) as error:
                if self._connection is connection:
                    self._connection = None
                    connection.disconnect().addErrback(lambda _: None)
                if last or not isinstance(error, txredisapi.ConnectionError):
                    raise

    async def _scan(self, pattern: str) -> list[str]:
        found: list[str] = []
        cursor: Any = 0
        while True:
            cursor, keys = await self._do("scan", cursor, pattern, 1000)
            found += keys
            if int(cursor) == 0:
                return found
