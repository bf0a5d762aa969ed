"""One public name while somebody holds it: its holders, its listening port, its publication."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from diglett.accounts import Account
from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.ingress.port import PortIngress
from diglett.gateway.ingress.proxied import behindProxy
from diglett.interfaces import Registration
from diglett.plane.channel import Channel, Listener
from diglett.publishing import Publication, Publisher
from diglett.status import NameStatus
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

log = Logger()


class Holder(Protocol):
    """An agent's session, as a name sees it."""

    account: Account
    agent: str
    label: str

    @property
    def live(self) -> bool:
        """Whether streams can be opened now."""

    def open(self, opening: Opening, endpoint: Endpoint) -> tuple[Mux, Stream]: ...

    def probe(self) -> Deferred[bool]:
        """Whether the agent still answers."""

    def end(self, error: Refused) -> None:
        """Over, for this reason; its holdings are released before this returns."""


@define(eq=False)
class Holding:
    """One session's hold on a name; `number` is its registration's."""

    holder: Holder
    number: int
    share: bool


@frozen
class NameContext:
    """What every name is published with."""

    plane: Any
    publisher: Publisher
    bind: str
    domain: str
    urls: Callable[[str, str], tuple[str, ...]]
    """The URLs of a fully qualified name and kind at our own fronts, best first."""
    visitors: Crowd
    proxyProtocol: bool = False
    """Ports of `tls` and `tcp` names expect a PROXY protocol header; of `http` names the proxy tells in the request."""


class PublicName:
    """Published with the first holder, withdrawn with the last; visitors are spread over the live ones in turn."""

    def __init__(self, context: NameContext, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.fqdn = f"{name}.{context.domain}"
        self.holdings: list[Holding] = []
        self.urls: tuple[str, ...] = ()
        self._context = context
        self._listeners: list[Listener] = []
        self._publishing: Deferred[Publication] | None = None
        self._waiting: list[Deferred[None]] = []
        self._published = False
        self._withdrawn = False
        self._reached: list[Deferred[None]] = []

    # ---- visitors ------------------------------------------------------------------------------------------------

    def open(self, way: int, visitor: str, front: str, endpoint: Endpoint) -> tuple[Mux, Stream]:
        """A stream to one of the holders.

        Raises Refused: none can take it now (`agent-away`, `limit`, `draining`).
        """
        holdings = self.holdings
        error: Refused | None = None
        for _ in range(len(holdings)):
            holding = holdings[0]
            if len(holdings) > 1:
                holdings.append(holdings.pop(0))
            if not holding.holder.live:
                continue
            try:
                return holding.holder.open(Opening(holding.number, way, visitor, front), endpoint)
            except Refused as refused:
                error = refused
        raise error or Refused("the agent is not connected", code="agent-away")

    @property
    def live(self) -> bool:
        """Whether streams can be opened now."""
        return any(holding.holder.live for holding in self.holdings)

    def status(self) -> NameStatus:
        """How it is now."""
        return NameStatus(name=self.name, kind=self.kind, urls=self.urls, agents=len(self.holdings))

    # ---- publishing ----------------------------------------------------------------------------------------------

    def publish(self) -> Deferred[None]:
        """Fires when the name is reachable; joins what is under way. Cancelling stops only the waiting."""
        done: Deferred[None] = Deferred(self._waitNoMore)
        if self._published:
            done.callback(None)
            return done
        self._waiting.append(done)
        if self._publishing is None:
            self._begin()
        return done

    def _waitNoMore(self, waiting: Deferred[None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def _begin(self) -> None:
        context = self._context
        try:
            port = self._listen()
        except OSError as error:
            self._settle(Refused(f"no listening port: {error.strerror}", code="publish-failed"))
            return
        self._publishing = context.publisher.publish(
            Registration(
                name=self.name,
                fqdn=self.fqdn,
                host=context.bind,
                port=port,
                kind=self.kind,
                proxyProtocol=self._proxied,
                adopt=self._adopt,
                reached=self._whenReached,
                lose=self._lose,
            )
        )
        self._publishing.addCallbacks(self._done, lambda failure: self._settle(failure.value))

    def _listen(self) -> int:
        bind = self._context.bind
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.bind((bind, 0))
        except OSError:
            listening.close()
            raise
        port: int = listening.getsockname()[1]
        accepted = PortIngress(self, bind, port, self._context.visitors).accepted
        plane = self._context.plane
        if self._proxied:
            accepted = behindProxy(plane.clock, accepted)
        self._listeners.append(plane.listenOn(listening, accepted))
        return port

    @property
    def _proxied(self) -> bool:
        return self._context.proxyProtocol and self.kind != "http"

    def _adopt(self, listening: socket.socket) -> Callable[[], None]:
        if self._withdrawn:
            listening.close()
            return lambda: None
        listener = self._context.plane.listenOn(listening, PortIngress(self, "", 0, self._context.visitors).accepted)
        self._listeners.append(listener)

        def close() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)
                listener.close()

        return close

    def _done(self, publication: Publication) -> None:
        if self._withdrawn:
            publication.withdraw()
            return
        port = self._listeners[0].address()[1]
        own = self._context.urls(self.fqdn, self.kind)
        fallback = () if own or publication.urls else (f"tcp://{self._context.bind}:{port}",)
        self.urls = tuple(dict.fromkeys((*publication.urls, *own, *fallback)))
        self._publication = publication
        self._settle(None)

    def _settle(self, error: BaseException | None) -> None:
        self._published = error is None
        if error is not None:
            self._publishing = None
            self._closeListeners()
            if not isinstance(error, Refused):
                error = Refused(f"{self.fqdn} could not be published", code="publish-failed")
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each.called:  # cancelled by one of the others
                continue
            each.callback(None) if error is None else each.errback(error)

    def withdraw(self) -> None:
        """The last holder has left."""
        if self._withdrawn:
            return
        self._withdrawn = True
        if self._published:
            self._publication.withdraw()
        elif self._publishing is not None:
            self._publishing.cancel()
        self._published = False
        self._closeListeners()

    def _closeListeners(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()

    # ---- what registrars may call --------------------------------------------------------------------------------

    def _whenReached(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred(lambda _: self._reached.remove(waiting))
        self._reached.append(waiting)
        return waiting

    def wasReached(self, channel: Channel) -> None:
        """A connection came in at the listening port."""
        if self._reached:
            reached, self._reached = self._reached, []
            for waiting in reached:
                waiting.callback(None)

    def _lose(self, why: str) -> None:
        for holding in list(self.holdings):
            holding.holder.end(Refused(f"{self.fqdn} is no longer ours: {why}", code="name-taken"))
