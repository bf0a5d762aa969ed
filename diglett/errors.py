"""The errors people meet: one tree, each with a message that says what to do."""

from __future__ import annotations


class DiglettError(Exception):
    """Whatever diglett raises on purpose; `str()` of it is fit to be shown."""


class UsageError(DiglettError):
    """An option, a configuration file or a file it names cannot be used (exit 2)."""


class Refused(DiglettError):
    """The other side, or our own trust in it, said no.

    `code` is the short name that goes over the wire and into JSON.
    `permanent` means that trying again cannot help (exit 3).
    """

    code = "refused"
    permanent = False

    def __init__(
        self, message: str, *, code: str | None = None, permanent: bool | None = None
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if permanent is not None:
            self.permanent = permanent


class GatewayNotTrusted(Refused):
    """The gateway could not be verified; nothing was sent to it."""

    code = "gateway-not-trusted"
    permanent = True


class BackendNotTrusted(Refused):
    """A backend reached over TLS could not be verified; the visitor gets an error instead."""

    code = "backend-not-trusted"


class LoginRefused(Refused):
    """Unknown token, wrong secret or an account that is over: one text for all of them."""

    code = "login-refused"
    permanent = True


class ProtocolError(DiglettError):
    """The peer broke the rules of `docs/wire.md`; its link ends."""

    code = "protocol"


class VersionMismatch(ProtocolError):
    """The peer speaks another version of the protocol."""

    code = "version"

    def __init__(self, version: int) -> None:
        super().__init__(f"the peer speaks version {version} of the protocol")
        self.version = version


class LinkLost(DiglettError):
    """The connection between agent and gateway is over, or could not be made; another may be tried."""


class LinkClosed(LinkLost):
    """It was ended in good order, by either side."""
