"""What programs and web services of others are told, and how they answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from diglett.errors import DiglettError, Refused

if TYPE_CHECKING:
    from diglett.interfaces import PluginContext, Registration

KINDS = ("http", "tls", "tcp")


class BadAnswer(DiglettError):
    """It is not what it has to be."""


def notice(event: str, context: PluginContext, registration: Registration | None = None) -> dict[str, Any]:
    """The document for `start`, `publish` and `withdraw`."""
    document: dict[str, Any] = {"event": event, "gateway": context.gateway, "domain": context.domain}
    if registration is not None:
        document.update(
            name=registration.name,
            fqdn=registration.fqdn,
            host=registration.host,
            port=registration.port,
            kind=registration.kind,
            proxyProtocol=registration.proxyProtocol,
        )
    return document


def urlsIn(answer: bytes) -> tuple[str, ...]:
    """The `urls` of an answer; an empty one has none."""
    urls = _object(answer).get("urls", [])
    if not isinstance(urls, list) or len(urls) > 16:
        raise BadAnswer("urls must be a list of texts")
    for url in urls:
        if not isinstance(url, str) or len(url) > 2000 or not url.isprintable():
            raise BadAnswer("urls must be a list of texts")
    return tuple(urls)


def refusalIn(answer: bytes) -> Refused | None:
    """The `error` of an answer, which is meant for the agent; `permanent` if trying again cannot help."""
    try:
        said = _object(answer)
    except BadAnswer:
        return None
    error = said.get("error")
    if not isinstance(error, str) or not error:
        return None
    text = "".join(character for character in error[:300] if character.isprintable())
    return Refused(text, code="publish-refused", permanent=said.get("permanent") is True)


def _object(answer: bytes) -> dict[str, Any]:
    if not answer.strip():
        return {}
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        raise BadAnswer("the answer is not JSON") from None
    if not isinstance(said, dict):
        raise BadAnswer("the answer is not an object")
    return said
