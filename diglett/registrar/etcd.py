"""`traefik-etcd:URL`: routes in etcd, all of them under one lease of this gateway."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from diglett.asking import NoAnswer
from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.fetching import Fetcher, FetchFailed, readSecret
from diglett.registrar.routing import single
from diglett.registrar.traefikstore import CLAIMS, OPTIONS, TraefikStore, leaseTime, make

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext

VARIABLE = "DIGLETT_ETCD_PASSWORD"


def create(argument: str, context: PluginContext) -> TraefikStore:
    """`http://HOST:2379[,ttl=SECONDS][,user=NAME][,root=traefik][,entrypoint=NAME][,probe=URL]...`."""
    url, options = splitArgument(argument, dict.fromkeys(OPTIONS))
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"traefik-etcd: {url!r} must be like http://127.0.0.1:2379")
    user = single(options, "user", "")
    password = readSecret(single(options, "password-file", "") or None, VARIABLE) if user else None
    if user and password is None:
        raise UsageError(f"traefik-etcd: the password of {user} is missing: set {VARIABLE} or add ,password-file=FILE")
    ttl = leaseTime(options, 15.0)
    fetcher = Fetcher(context.reactor, timeout=5.0, limit=8 * 1024 * 1024)
    login = (user, password.decode("utf-8", "replace")) if password is not None else None
    return make(Etcd(url.rstrip("/"), fetcher, context.gateway, max(1, round(ttl)), login), options, context, ttl)


class _Rejected(FetchFailed):
    """etcd said no, and will do so again."""


class Etcd:
    """etcd's v3 API, in JSON by way of its gateway."""

    def __init__(
        self, url: str, fetcher: Fetcher, owner: str, ttl: int, login: tuple[str, str] | None = None
    ) -> None:
        self._url = url
        self._fetcher = fetcher
        self._owner = owner
        self._ttl = ttl
        self._login = login
        self._session = ""
        self._lease: str | None = None

    async def prepare(self, sentinel: str) -> None:
        """Revoke the leases of a predecessor, and with them all it had."""
        try:
            await self._prepare(sentinel)
        except _Rejected as error:
            raise UsageError(f"traefik-etcd: {error}") from None

    async def _prepare(self, sentinel: str) -> None:
        found = await self._call("kv/range", {"key": _b64(CLAIMS), "range_end": _b64(CLAIMS[:-1] + "0")})
        old = {kv.get("lease", "0") for kv in found.get("kvs", []) if _text(kv["value"]) == self._owner}
        for lease in old - {"0"}:
            await self._revoke(lease)
        await self._call("kv/put", {"key": _b64(sentinel), "value": _b64("1")})
        await self._grant()

    async def claim(self, claim: str, keys: Mapping[str, str]) -> str | None:
        """One transaction if the claim is nobody's, a second one if it is still ours."""
        puts = [self._put(claim, self._owner), *(self._put(key, value) for key, value in keys.items())]
        nobody = {"key": _b64(claim), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
        look = {"request_range": {"key": _b64(claim)}}
        answer = await self._call("kv/txn", {"compare": [nobody], "success": puts, "failure": [look]})
        if answer.get("succeeded"):
            return None
        owner = _owner(answer)
        if owner != self._owner:
            return owner
        ours = {"key": _b64(claim), "target": "VALUE", "result": "EQUAL", "value": _b64(self._owner)}
        answer = await self._call("kv/txn", {"compare": [ours], "success": puts, "failure": [look]})
        return None if answer.get("succeeded") else _owner(answer)

    async def release(self, claim: str, keys: Mapping[str, str]) -> None:
        """One transaction."""
        ours = {"key": _b64(claim), "target": "VALUE", "result": "EQUAL", "value": _b64(self._owner)}
        gone = [{"request_delete_range": {"key": _b64(key)}} for key in (claim, *keys)]
        await self._call("kv/txn", {"compare": [ours], "success": gone})

    async def renew(self, claimed: Mapping[str, Mapping[str, str]], sentinel: str) -> dict[str, str]:
        """Keep the one lease alive; if it is gone, take another one and claim everything again."""
        if self._lease is not None:
            answer = await self._call("lease/keepalive", {"ID": self._lease})
            if int(answer.get("result", {}).get("TTL", 0)) > 0:
                return {}
        await self._grant()
        await self._call("kv/put", {"key": _b64(sentinel), "value": _b64("1")})
        others = {}
        for claim, keys in claimed.items():
            owner = await self.claim(claim, keys)
            if owner is not None:
                others[claim] = owner
        return others

    async def close(self) -> None:
        """Give the lease back, as far as that is possible."""
        lease, self._lease = self._lease, None
        try:
            if lease is not None:
                await self._revoke(lease)
        except (FetchFailed, NoAnswer, OSError):
            pass  # it ends by itself
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "twisted":  # no connection: likewise
                raise
        closing = self._fetcher.stop()
        if closing is not None:
            await closing

    async def _grant(self) -> None:
        self._lease = None
        granted = await self._call("lease/grant", {"TTL": str(self._ttl)})
        if "ID" not in granted:
            raise _Rejected(f"{self._url} is no etcd: it answered {str(granted)[:200]}")
        self._lease = granted["ID"]

    async def _revoke(self, lease: str) -> None:
        answer = await self._fetch("lease/revoke", {"ID": lease})
        if answer.status not in (200, 404):
            raise FetchFailed(f"etcd answered {answer.status} when a lease was given back")

    def _put(self, key: str, value: str) -> dict[str, Any]:
        return {"request_put": {"key": _b64(key), "value": _b64(value), "lease": self._lease}}

    async def _call(self, method: str, document: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._fetch(method, document)
        if answer.status == 401 and self._login is not None:
            self._session = ""  # it has run out
            answer = await self._fetch(method, document)
        if answer.status != 200:
            failure = _Rejected if 400 <= answer.status < 500 and answer.status != 429 else FetchFailed
            raise failure(f"etcd answered {answer.status}: {answer.body.decode('utf-8', 'replace')[:200]}")
        said = answer.json()
        if not isinstance(said, dict) or "error" in said:
            raise FetchFailed(f"etcd answered: {str(said)[:200]}")
        return said

    async def _fetch(self, method: str, document: Mapping[str, Any]) -> Any:
        headers = {}
        if self._login is not None:
            if not self._session:
                name, password = self._login
                login = {"name": name, "password": password}
                answer = await self._fetcher.fetch("POST", f"{self._url}/v3/auth/authenticate", login)
                if answer.status != 200:
                    failure = _Rejected if answer.status < 500 else FetchFailed
                    raise failure(f"etcd does not let {name} in ({answer.status})")
                self._session = answer.json()["token"]
            headers["Authorization"] = self._session
        return await self._fetcher.fetch("POST", f"{self._url}/v3/{method}", document, headers=headers)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "replace")


def _owner(answer: Mapping[str, Any]) -> str:
    """Who has the claim that a transaction looked at; it may have gone in between."""
    kvs = answer["responses"][0].get("response_range", {}).get("kvs", [])
    return _text(kvs[0]["value"]) if kvs else "unknown"
