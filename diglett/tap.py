"""`twistd diglett-server`: the gateway's options, and the service they describe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.python import usage

from diglett import __version__
from diglett.config.gateway import SETTINGS, GatewayConfig, gatewayConfig
from diglett.config.toml import didYouMean
from diglett.errors import DiglettError, UsageError


class Options(usage.Options):
    """
    The gateway's options. After parsing, `config` is what they and the
    configuration file say.

    A mistake ends the process with one line and status 2, where twistd would
    print all options first and the reason last.
    """

    config: GatewayConfig

    optParameters = [
        ["listen", None, None, "where agents connect, TLS is added (tcp:20000)"],
        ["domain", None, None, "names are published under it (localhost)"],
        ["https", None, None, "the public front with TLS, or none (tcp:8443)"],
        ["http", None, None, "the public front without TLS, or none (tcp:8080)"],
        ["state", None, None, "folder of keys, local CA and tokens ($DIGLETT_STATE)"],
        ["auth", None, None, "who may connect with which names, NAME:ARGUMENT (tokens)"],
        ["bind", None, None, "address of the listening ports of names (127.0.0.1)"],
        ["admin", None, None, "endpoint of admin API, metrics and dashboard (none)"],
        ["log-format", None, None, "of the lines in the log, text or json (text)"],
        ["config", None, None, "TOML file with the names of these options"],
    ]

    optFlags = [
        ["proxy-protocol", None, "ports of tls and tcp names expect a PROXY protocol header"],
        ["allow-v1", None, "also speak the original protocol, which is not safe"],
    ]

    longdesc = (
        "Endpoints are written as Twisted writes them: tcp:443, unix:/run/diglett.sock, "
        "tcp:8443:interface=127.0.0.1, systemd:domain=INET:index=0; a port alone is tcp. "
        "Agents' tokens: diglett-server token --help."
    )

    def __init__(self) -> None:
        super().__init__()
        self._lists: dict[str, tuple[str, ...]] = {}

    def opt_certificate(self, file: str) -> None:
        """PEM file with a certificate and chain; may be repeated, the client's SNI chooses (made by the local CA)"""
        self._append("certificate", file)

    def opt_private_key(self, file: str) -> None:
        """PEM file with the key of the certificate at the same place"""
        self._append("private-key", file)

    def opt_register(self, spec: str) -> None:
        """how names are published, NAME:ARGUMENT; may be repeated (print)"""
        self._append("register", spec)

    def opt_trusted_proxy(self, network: str) -> None:
        """address or network (CIDR) of a proxy whose X-Forwarded headers are believed; may be repeated"""
        self._append("trusted-proxy", network)

    def opt_reserved(self, names: str) -> None:
        """names nobody gets, between commas, or none (www, admin, api, ...)"""
        self._append("reserved", names)

    def opt_version(self) -> NoReturn:
        """Display the version of diglett and exit."""
        print(f"diglett-server {__version__}")
        sys.exit(0)

    def getSynopsis(self) -> str:
        """Give the two ways to start a gateway."""
        return "Usage: diglett-server [options]\n       twistd [twistd's options] diglett-server [options]"

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the words of a command line; a mistake in them ends the process."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            unknown = getattr(error.__context__, "opt", "")  # getopt's own error
            hint = didYouMean(unknown, SETTINGS) or " (diglett-server --help shows all options)"
            _giveUp(f"{error}{hint}", 2)
        except UsageError as error:
            _giveUp(str(error), 2)

    def parseArgs(self, *words: str) -> None:
        """Refuse words that are no options."""
        if words:
            raise usage.UsageError(f"{words[0]!r} is no option")

    def postOptions(self) -> None:
        """Put everything together and see that it can be used."""
        given: dict[str, Any] = {**self, **self._lists}
        for flag in ("allow-v1", "proxy-protocol"):
            given[flag] = True if self[flag] else None
        self.config = gatewayConfig(given)
        for name in ("listen", "https", "http", "admin"):
            _checkEndpoint(name, getattr(self.config, name))

    def _append(self, option: str, value: str) -> None:
        """Add to an option that may be repeated."""
        self._lists[option] = (*self._lists.get(option, ()), value)


def makeService(options: Options) -> IService:
    """Give the gateway as a service; what cannot be used ends the process with one line."""
    from diglett.gateway.service import makeGateway

    try:
        service = makeGateway(options.config, _admin)
        if options.config.logFormat == "json":
            from diglett.twistdlog import loggedAsJson

            service = loggedAsJson(service, options.parent)
        return service
    except DiglettError as error:
        _giveUp(str(error), 2 if isinstance(error, UsageError) else 1)


def _admin(snapshot: Any) -> Any:
    """Make the admin site, which alone needs twisted.web, when it is asked for."""
    from diglett.admin.site import adminSite

    return adminSite(snapshot)


def _checkEndpoint(option: str, text: str | None) -> None:
    """See that Twisted understands an endpoint string; nothing is opened."""
    from twisted.internet.endpoints import serverFromString

    if text is None:
        return
    try:
        serverFromString(None, text)
    except Exception:  # parsers are plugins; some let TypeError or KeyError out
        raise UsageError(
            f"{option}: {text!r} is no server endpoint, such as tcp:8443 or "
            "tcp:8443:interface=127.0.0.1"
        ) from None


def _giveUp(message: str, status: int) -> NoReturn:
    """Say why there will be no gateway, and end the process."""
    print(f"diglett-server: {message}", file=sys.stderr)
    sys.exit(status)
