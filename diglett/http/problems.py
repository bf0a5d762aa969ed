"""What can go wrong on the way from a visitor to a backend, in words for both ends of it.

Visitors read these texts: nothing here tells where a backend is.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from diglett.http.messages import BadRequest

Part = Literal["visitor", "gateway", "name", "agent", "backend"]


@frozen
class Problem:
    """One failure: which part, what happened, and what the owner of the name can do.

    `code` is for programs and never changes. `command` is something to paste.
    `retryAfter` is in seconds.
    """

    status: int
    code: str
    part: Part
    title: str
    detail: str
    hint: str
    command: str | None = None
    retryAfter: int | None = None


def noSuchName(host: str, command: str | None = None) -> Problem:
    """Nobody has published `host`; `command` would, if it is the reader's."""
    return Problem(
        404, "no-such-name", "name",
        "There is no such name",
        f"Nothing is published as {host}.",
        "Check the spelling. If the name is yours, its agent is not connected: start it.",
        command,
    )  # fmt: skip


def agentAway(host: str, retryAfter: int = 5) -> Problem:
    """The name is known, but its agent is not connected now."""
    return Problem(
        503, "agent-away", "agent",
        "The agent is away",
        f"{host} is published by an agent that is not connected at the moment.",
        "If it is yours, see whether the agent runs and what it says. It comes back by itself"
        " as soon as it reaches the gateway.",
        retryAfter=retryAfter,
    )  # fmt: skip


def starting(host: str) -> Problem:
    """Nobody has published `host` since the gateway started, a moment ago."""
    return Problem(
        503, "starting", "agent",
        "The gateway has just started",
        f"No agent has published {host} since then. If one had before, it is on its way back.",
        "Try again in a moment. If the name is new to you, check the spelling.",
        retryAfter=1,
    )  # fmt: skip


def agentLost() -> Problem:
    """The agent's connection broke while the request was on its way."""
    return Problem(
        504, "agent-lost", "agent",
        "The agent was lost",
        "The connection to the agent broke before the answer came.",
        "Try again. If it happens often, the agent's log tells how its connection ended.",
    )  # fmt: skip


def backendRefused(reason: str = "the connection was refused") -> Problem:
    """The agent could not connect to the backend."""
    return Problem(
        502, "backend-refused", "backend",
        "Nothing answers behind the agent",
        f"The agent is connected, but cannot reach what it publishes: {reason}.",
        "If it is yours, start the program behind the agent, or check the address the agent"
        " was given.",
    )  # fmt: skip


def backendTlsFailed(reason: str) -> Problem:
    """The agent could connect, but not agree on TLS with the backend."""
    return Problem(
        502, "backend-tls", "backend",
        "TLS to the backend failed",
        f"The agent reached what it publishes, but could not trust it: {reason}.",
        "If it is yours: a certificate of its own making needs --backend-insecure, a program"
        " without TLS an address that begins with http://.",
    )  # fmt: skip


def backendBroke(reason: str) -> Problem:
    """The backend's answer was not HTTP/1.1, or ended too early to be one."""
    return Problem(
        502, "backend-protocol", "backend",
        "The answer makes no sense",
        f"What the agent publishes did not answer as a web server should: {reason}.",
        "If it is yours, see whether the address belongs to a web server, and what it logs."
        " For a server with TLS give the agent an address that begins with https://.",
    )  # fmt: skip


def backendTimedOut(seconds: float) -> Problem:
    """The backend took the request, and did not begin to answer in time."""
    return Problem(
        504, "backend-timeout", "backend",
        "The answer takes too long",
        f"What the agent publishes has not begun to answer within {seconds:g} seconds.",
        "If it is yours, see what the program behind the agent is busy with.",
    )  # fmt: skip


def misdirected(host: str, served: str) -> Problem:
    """Host and the name the TLS connection was made for are different."""
    return Problem(
        421, "misdirected", "visitor",
        "This connection is for another name",
        f"The request is for {host}, on a connection that was made for {served}.",
        "Browsers repeat it on a new connection by themselves. Other programs must not share"
        " a TLS connection between names.",
    )  # fmt: skip


def requestTimedOut() -> Problem:
    """The visitor began a request and did not finish it in time."""
    return Problem(
        408, "request-timeout", "visitor",
        "The request did not arrive",
        "The request was begun, but not completed in time.",
        "Try again.",
    )  # fmt: skip


def tooManyRequests(retryAfter: int = 1) -> Problem:
    """This visitor has more under way than it may."""
    return Problem(
        429, "too-many-requests", "visitor",
        "Too many requests",
        "You have more requests under way than the gateway allows.",
        "Wait a moment and try again.",
        retryAfter=retryAfter,
    )  # fmt: skip


def tooManyStreams(retryAfter: int = 1) -> Problem:
    """The link to the agent carries as much as it may."""
    return Problem(
        503, "too-many-streams", "gateway",
        "Too many visitors",
        "This name has more visitors under way than the gateway allows.",
        "Wait a moment and try again. The limit is the gateway's; its operator can raise it.",
        retryAfter=retryAfter,
    )  # fmt: skip


_BAD_REQUESTS = {
    400: ("bad-request", "This request is not clear"),
    413: ("body-too-large", "The request is too large"),
    414: ("target-too-long", "The address is too long"),
    431: ("head-too-large", "The head of the request is too large"),
    501: ("not-supported", "This is not supported"),
    505: ("version-not-supported", "This version of HTTP is not spoken here"),
}


def badRequest(error: BadRequest) -> Problem:
    """The visitor's request was refused before anybody was asked."""
    code, title = _BAD_REQUESTS.get(error.status, _BAD_REQUESTS[400])
    hint = "The gateway passes on only what every server understands in the same way."
    if error.status == 431:
        hint = "Deleting the cookies of this site often helps."
    detail = f"{error.reason[:1].upper()}{error.reason[1:300]}."
    return Problem(error.status, code, "visitor", title, detail, hint)
