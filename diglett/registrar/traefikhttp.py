"""`traefik-http:ENDPOINT`: Traefik's HTTP provider, with the gateway itself serving the configuration."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from diglett.asking import NoAnswer, ask
from diglett.errors import Refused, UsageError
from diglett.extensions import splitArgument
from diglett.fetching import readSecret
from diglett.interfaces import IRegistrar
from diglett.registrar import routing, traefik
from diglett.registrar.routing import Lease, Routing, seconds, single
from diglett.registrar.traefik import Routes
from diglett.state import writePrivate

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort
    from twisted.web.server import Request

    from diglett.interfaces import PluginContext, Registration

VARIABLE = "DIGLETT_TRAEFIK_SECRET"

_NOTED = 1.0
"""Seconds after which changes are noted for the next start: a thousand of them cost one write."""

_STOPPING = 60.0
"""Names withdrawn less than so many seconds before the end were withdrawn by the end."""

_OPTIONS = (*routing.OPTIONS, *traefik.OPTIONS, "secret-file", "warmup", "fetch-timeout")


def create(argument: str, context: PluginContext) -> TraefikHttp:
    """`ENDPOINT-or-PORT[,secret-file=FILE][,warmup=SECONDS][,entrypoint=NAME][,probe=URL]...`."""
    endpoint, options = splitArgument(argument, dict.fromkeys(_OPTIONS))
    if endpoint.isdigit():
        endpoint = f"tcp:{endpoint}:interface=127.0.0.1"
    secret = readSecret(single(options, "secret-file", "") or None, VARIABLE)
    loopback = (f"interface={host}" for host in ("127.", "localhost", r"\:\:1"))
    local = endpoint.startswith("unix:") or any(interface in endpoint for interface in loopback)
    if secret is None and not local:
        raise UsageError(
            f"traefik-http:{endpoint} can be reached from elsewhere: add :interface=127.0.0.1, or a secret "
            f"({VARIABLE}, or ,secret-file=FILE)"
        )
    try:
        server = serverFromString(context.reactor, endpoint)
    except (ValueError, TypeError) as error:
        raise UsageError(f"traefik-http: {endpoint!r} is neither a port nor an endpoint: {error}") from None
    routes = Routes.parse(options)
    return TraefikHttp(
        server,
        secret,
        routes,
        Routing.parse(options, context, guess=routes.doors()),
        context,
        warmUp=seconds(options, "warmup", 15.0),
        fetchTimeout=seconds(options, "fetch-timeout", 15.0),
    )


class Document(Resource):
    """What Traefik polls. `generation` counts changes; `whenServed` tells when one has been fetched."""

    isLeaf = True

    def __init__(self, secret: bytes | None) -> None:
        super().__init__()
        self._authorization = None if secret is None else b"Bearer " + secret
        self._body = b"{}"
        self._waiting: list[Deferred[None]] = []
        self.warm = False

    def replace(self, document: dict[str, Any]) -> None:
        """Serve this from now on."""
        self._body = json.dumps(document).encode("ascii")

    def whenServed(self) -> Deferred[None]:
        """Fires when what is served now, or something newer, has been fetched."""
        served: Deferred[None] = Deferred()
        self._waiting.append(served)
        return served

    def render_GET(self, request: Request) -> bytes:
        """The document; 503 makes Traefik keep what it has."""
        request.setHeader("Content-Type", "application/json")
        request.setHeader("Connection", "close")  # or Traefik would go on asking a gateway that has stopped
        if self._authorization is not None and not hmac.compare_digest(
            request.getHeader(b"Authorization") or b"", self._authorization
        ):
            request.setResponseCode(401)
            return b"{}"
        if not self.warm:
            request.setResponseCode(503)
            request.setHeader("Retry-After", "1")
            return b"{}"
        if request.method == b"GET":
            waiting, self._waiting = self._waiting, []
            request.notifyFinish().addCallbacks(lambda _: _fire(waiting), lambda _: self._waiting.extend(waiting))
        return self._body


class _QuietSite(Site):
    """Traefik asks several times a second: no line in the log each time."""

    def log(self, request: Any) -> None:
        """Nothing."""


def _fire(waiting: list[Deferred[None]]) -> None:
    for served in waiting:
        if not served.called:
            served.callback(None)


@implementer(IRegistrar)
class TraefikHttp:
    """Serves all names in one document.

    After a restart Traefik still has the routes of before. Until all of those
    names are back, or for `warmUp` seconds, the answer is 503, so that none of
    them is dropped meanwhile.
    """

    def __init__(
        self,
        endpoint: Any,
        secret: bytes | None,
        routes: Routes,
        way: Routing,
        context: PluginContext,
        *,
        warmUp: float,
        fetchTimeout: float,
    ) -> None:
        self.document = Document(secret)
        self._endpoint = endpoint
        self._routes = routes
        self._way = way
        self._context = context
        self._clock = context.reactor
        self._warmUp = warmUp
        self._fetchTimeout = fetchTimeout
        self._notes = context.state / "traefik-http.json"
        self._entries: dict[str, Registration] = {}
        self._missing: frozenset[str] = frozenset()
        self._left: dict[str, float] = {}  # and when
        self._warming: Any = None
        self._noting: Any = None
        self._port: IListeningPort | None = None

    async def start(self) -> None:
        """Listen; warm up if names were published when we were last here."""
        self._missing = _read(self._notes)
        if self._missing and self._warmUp:
            self._warming = self._clock.callLater(self._warmUp, self._warmedUp)
        else:
            self.document.warm = True
        try:
            self._port = await self._endpoint.listen(_QuietSite(self.document))
        except Exception as error:
            self._cool()
            raise UsageError(f"traefik-http: cannot listen: {error}") from None
        self._way.announce("Traefik")

    async def stop(self) -> None:
        """Stop listening: Traefik then keeps what it has, and the next start warms up for it."""
        self._cool()
        if self._noting is not None:
            self._noting.cancel()
        since = self._clock.seconds() - _STOPPING
        self._note(name for name, when in self._left.items() if when >= since)
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)

    async def publish(self, registration: Registration) -> Lease:
        """Put it into the document, and wait until Traefik has fetched that."""
        return await self._way.publish(
            registration, traefik.KINDS, lambda: self._put(registration), lambda: self._remove(registration)
        )

    async def _put(self, registration: Registration) -> None:
        self._entries[registration.fqdn] = registration
        self._left.pop(registration.fqdn, None)
        self._changed()
        if self._warming is not None and self._missing <= self._entries.keys():
            self._warmedUp()
        patience = self._fetchTimeout + (self._warmUp if self._warming is not None else 0.0)
        try:
            await ask(self.document.whenServed, patience, self._clock)
        except NoAnswer:
            raise Refused(
                f"{registration.fqdn} is not published: Traefik did not fetch its configuration from the "
                f"gateway within {patience:g} s",
                code="not-routed",
            ) from None

    def _remove(self, registration: Registration) -> None:
        if self._entries.get(registration.fqdn) is registration:
            del self._entries[registration.fqdn]
            self._left[registration.fqdn] = self._clock.seconds()
            self._changed()

    def _changed(self) -> None:
        self.document.replace(self._routes.document(self._entries.values()))
        if self._noting is None:
            self._noting = self._clock.callLater(_NOTED, self._noteNow)

    def _noteNow(self) -> None:
        self._noting = None
        since = self._clock.seconds() - _STOPPING
        self._left = {name: when for name, when in self._left.items() if when >= since}
        self._note()

    def _note(self, others: Iterable[str] = ()) -> None:
        names = {*self._entries, *others, *(self._missing if self._warming is not None else ())}
        try:
            writePrivate(self._notes, json.dumps(sorted(names)))
        except OSError as error:
            self._context.log.error("cannot write {path}: {reason}", path=str(self._notes), reason=str(error))

    def _warmedUp(self) -> None:
        self._cool()
        self.document.warm = True

    def _cool(self) -> None:
        if self._warming is not None and self._warming.active():
            self._warming.cancel()
        self._warming = None


def _read(notes: Path) -> frozenset[str]:
    """The names that were published; none if there is no telling."""
    try:
        names = json.loads(notes.read_bytes())
        return frozenset(name for name in names if isinstance(name, str))
    except (OSError, ValueError, TypeError):
        return frozenset()
