"""The contracts of what can be plugged in; `docs/plugins.md` teaches them.

Wherever a method may *answer later* it returns its result, a Deferred of it or
a coroutine. The gateway limits the time, cancels the Deferred when nobody
waits for it any more, and takes any exception for a no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    import socket

    from twisted.internet.defer import Deferred
    from twisted.logger import Logger

    from diglett.accounts import Account, Credentials


@frozen
class PluginContext:
    """What a plugin gets to work with.

    `state` is the gateway's private folder (it exists, 0700), `domain` what
    names are published under, `gateway` this gateway's identity: the same after
    a restart, and no other gateway's.
    """

    reactor: Any = field(repr=False)
    state: Path
    domain: str
    gateway: str
    log: Logger = field(repr=False)


@frozen
class Registration:
    """A name that is to be reachable: whatever connects to `host`:`port` is its visitor.

    `kind` is `http` (the proxy ends TLS and speaks HTTP to us), `tls` (the
    proxy passes TLS through untouched, chosen by SNI) or `tcp`. With
    `proxyProtocol` the port expects a PROXY protocol header first.

    The rest is what the gateway offers for this registration, `None` where it
    does not. `adopt` takes a bound, listening socket as one more way in, owns
    it, and returns what closes it again. `reached` gives a Deferred that fires
    when the next connection arrives at `port`: the proof that a proxy routes.
    `lose` is for a registrar that finds, later, that the name is gone or
    somebody else's: the gateway ends the registration and tells the agent why.
    """

    name: str
    fqdn: str
    host: str
    port: int
    kind: str = "http"
    proxyProtocol: bool = False
    adopt: Callable[[socket.socket], Callable[[], None]] | None = field(default=None, repr=False, eq=False)
    reached: Callable[[], Deferred[None]] | None = field(default=None, repr=False, eq=False)
    lose: Callable[[str], None] | None = field(default=None, repr=False, eq=False)


class IAuthenticator(Interface):
    """Decides who may connect and which names they may use."""

    clientAuthorities = Attribute(
        "Path of a PEM file: the agent listener then asks for client certificates of "
        "these authorities. None: it does not."
    )

    def start(changed: Callable[[], None]) -> Any:
        """Begin to work; may answer later.

        Call `changed` whenever an earlier answer could be different by now: the
        gateway then asks `refresh` and `authorize` again for everybody who is
        connected. An exception (a `UsageError` best) keeps the gateway from
        starting.
        """

    def stop() -> Any:
        """Let go of everything; nothing is asked any more. May answer later."""

    def messages() -> Sequence[str]:
        """What the operator must read at every start, one line each; after `start`."""

    def authenticate(credentials: Credentials) -> Account | Any:
        """The account these credentials belong to; may answer later.

        Raise `LoginRefused` for no, with the same text and after the same time
        whatever was wrong with them. Any other exception refuses as well, and
        its text goes to the operator only.
        """

    def authorize(account: Account, name: str) -> bool | Any:
        """Whether `account` may use `name` (normalised); may answer later."""

    def refresh(account: Account) -> Account | Any:
        """`account` as it is now, without the agent's help; may answer later.

        Asked after `changed`, and at `account.expires`. Raise `LoginRefused`
        when whoever logged in with it has to go.
        """


class ILease(Interface):
    """A publication that stands until it is withdrawn."""

    urls = Attribute(
        "The public URLs at which the name is reachable thereby, best first; empty if unknown."
    )

    def withdraw() -> Any:
        """Take it back; may answer later. Called exactly once."""


class IRegistrar(Interface):
    """Makes names reachable, by telling a proxy, a file, or a person."""

    def start() -> Any:
        """Begin to work: connect, remove what a crashed predecessor left. May answer later.

        An exception (a `UsageError` best) keeps the gateway from starting.
        """

    def stop() -> Any:
        """Let go of everything, after every lease was withdrawn. May answer later."""

    def publish(registration: Registration) -> ILease | Any:
        """Make it reachable and answer with the lease, by the time it is; may answer later.

        A `Refused` says why not in words for the agent; the text of any other
        exception goes to the operator. Failing or cancelled, it leaves nothing
        behind.
        """


class IPluginDescription(Interface):
    """How a plugin is chosen by a `name:argument` string."""

    name = Attribute("What stands before the colon.")
    help = Attribute("One line for `--help`: the argument's form and what it does.")

    def create(argument: str, context: PluginContext) -> Any:
        """Make it of what stands after the colon; no I/O yet. `UsageError` if that is wrong."""


class IAuthenticatorPlugin(IPluginDescription):
    """`create` makes an `IAuthenticator`. Provide it together with `IPlugin`."""


class IRegistrarPlugin(IPluginDescription):
    """`create` makes an `IRegistrar`. Provide it together with `IPlugin`."""
