"""What a visitor is told when the gateway has to answer itself: failures of our own, put into the front's words."""

from __future__ import annotations

from diglett.http import problems
from diglett.http.messages import BadRequest, RequestHead
from diglett.http.pages import errorPage
from diglett.wire.frames import Reason

CONNECT_TIMEOUT = 10
"""Seconds that agents of this project wait for their backends; others say so in their Close."""


def page(cause: str | Reason | BadRequest, text: str, head: RequestHead | None, keepAlive: bool = False) -> bytes:
    """A whole answer. `head` is the request's, if one was understood; `text` is fit to be shown; `keepAlive`: more
    requests are taken."""
    problem = _problem(cause, text, head)
    if head is None:
        return errorPage(problem)
    return errorPage(problem, accept=_accept(head), method=head.method, version=head.version, keepAlive=keepAlive)


def _problem(cause: str | Reason | BadRequest, text: str, head: RequestHead | None) -> problems.Problem:
    host = (head.host if head is not None else None) or "this name"
    if isinstance(cause, BadRequest):
        return problems.requestTimedOut() if cause.status == 408 else problems.badRequest(cause)
    if isinstance(cause, Reason):
        return _streamProblem(cause, text)
    if cause == "no-such-name":
        return problems.noSuchName(host)
    if cause == "starting":
        return problems.starting(host)
    if cause == "no-host":
        return problems.badRequest(BadRequest(400, text))
    if cause == "misdirected":
        return problems.misdirected(host, text)
    if cause == "limit":
        return problems.tooManyStreams()
    if cause == "backend-protocol":
        return problems.backendBroke(text)
    return problems.agentAway(host)


def _streamProblem(reason: Reason, text: str) -> problems.Problem:
    """Why the agent closed a stream, or why there is no agent any more."""
    if reason is Reason.BACKEND_UNREACHABLE:
        return problems.backendRefused(text) if text else problems.backendRefused()
    if reason is Reason.BACKEND_TIMEOUT:
        return problems.backendTimedOut(CONNECT_TIMEOUT)
    if reason is Reason.BACKEND_TLS:
        return problems.backendTlsFailed(text)
    if reason is Reason.REFUSED:
        return problems.tooManyStreams()
    if reason is Reason.LOST:
        return problems.agentLost()
    return problems.backendBroke("it closed the connection before it had answered")


def _accept(head: RequestHead) -> bytes:
    return b",".join(value for name, value in head.headers if name.lower() == b"accept")
