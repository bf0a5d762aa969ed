"""`webhook:URL`: a web service is told of each name that comes or goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.fetching import Fetcher, FetchFailed, checkUrl, readSecret
from diglett.interfaces import IRegistrar
from diglett.registrar import routing
from diglett.registrar.notices import KINDS, notice, refusalIn, urlsIn
from diglett.registrar.routing import Lease, Routing, seconds, single

if TYPE_CHECKING:
    from twisted.web.iweb import IAgent

    from diglett.interfaces import PluginContext, Registration

VARIABLE = "DIGLETT_WEBHOOK_SECRET"


def create(argument: str, context: PluginContext) -> Webhook:
    """`URL[,secret-file=FILE][,timeout=SECONDS][,url=URL][,probe=URL]`."""
    url, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, "secret-file", "timeout")))
    secret = readSecret(single(options, "secret-file", "") or None, VARIABLE)
    if secret is None:
        raise UsageError(f"webhook needs a shared secret: set {VARIABLE} or add ,secret-file=FILE")
    return Webhook(
        checkUrl(url), secret, Routing.parse(options, context, "none"), context, seconds(options, "timeout", 5.0)
    )


@implementer(IRegistrar)
class Webhook:
    """200 and 204 are success; the `error` in any other answer is told to the agent."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        way: Routing,
        context: PluginContext,
        timeout: float = 5.0,
        agent: IAgent | None = None,
    ) -> None:
        self._url = url
        self._secret = secret
        self._way = way
        self._context = context
        self._fetcher = Fetcher(context.reactor, timeout=timeout, agent=agent)

    async def start(self) -> None:
        """Let it remove what a crashed predecessor left; it may also come up later than we."""
        try:
            await self._tell("start", None)
        except Exception as error:
            self._context.log.error(
                "the webhook {url} was not told of our start: {reason}",
                url=self._url,
                reason=str(error) or type(error).__name__,
            )

    async def stop(self) -> None:
        """Close connections."""
        closing = self._fetcher.stop()
        if closing is not None:
            await closing

    async def publish(self, registration: Registration) -> Lease:
        """Tell it; URLs it answers with are those of the lease."""
        urls: list[str] = []

        async def do() -> None:
            urls.extend(urlsIn(await self._tell("publish", registration)))

        async def undo() -> None:
            await self._tell("withdraw", registration)

        lease = await self._way.publish(registration, KINDS, do, undo)
        return Lease((*urls, *lease.urls), undo)

    async def _tell(self, event: str, registration: Registration | None) -> bytes:
        document = notice(event, self._context, registration)
        answer = await self._fetcher.fetch("POST", self._url, document, secret=self._secret)
        if answer.status in (200, 204):
            return answer.body
        refusal = refusalIn(answer.body) if event == "publish" else None
        raise refusal or FetchFailed(f"the webhook answered {answer.status}")
