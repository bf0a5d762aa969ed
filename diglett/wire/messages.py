"""The JSON payloads of the handshake, as values; every reader checks types and sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from diglett.errors import ProtocolError, Refused
from diglett.wire.frames import REGISTRATIONS_MAX, printable

WINDOW_MIN = 16_384
WINDOW_MAX = 16_777_216
WINDOW_DEFAULT = 262_144
_TEXT_MAX = 1_024


def encodeJson(value: dict[str, Any]) -> bytes:
    """Compact JSON, UTF-8; what is no Unicode becomes a question mark."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def decodeJson(payload: bytes) -> dict[str, Any]:
    """A JSON object; an empty payload is an empty one.

    Raises ProtocolError: anything else.
    """
    if not payload:
        return {}
    try:
        value = json.loads(payload.decode("utf-8"))  # bytes would be taken for UTF-16, too
    except (ValueError, RecursionError):
        raise ProtocolError("a payload that is not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError("a payload that is not a JSON object")
    return value


def _text(value: dict[str, Any], key: str, most: int = _TEXT_MAX, default: str = "") -> str:
    text = value.get(key, default)
    if not isinstance(text, str) or len(text) > most:
        raise ProtocolError(f"{key!r} is not a text of at most {most} characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ProtocolError(f"{key!r} is not Unicode") from None
    return text


def _whole(value: dict[str, Any], key: str, low: int, high: int, default: int) -> int:
    number = value.get(key, default)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise ProtocolError(f"{key!r} is not a whole number from {low} to {high}")
    return number


def _flag(value: dict[str, Any], key: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise ProtocolError(f"{key!r} is not true or false")
    return flag


def _texts(value: dict[str, Any], key: str, most: int) -> tuple[str, ...]:
    texts = value.get(key, [])
    if not isinstance(texts, list) or len(texts) > most:
        raise ProtocolError(f"{key!r} is not a list of at most {most} texts")
    return tuple(_text({key: text}, key) for text in texts)


@frozen
class Hello:
    """What each side says of itself first."""

    software: str = ""
    """For logs: when it comes from a peer, it is fit to print."""
    window: int = WINDOW_DEFAULT
    """Bytes the peer may send on a new stream before credit."""
    streams: int = 0
    """Live streams the peer may have open towards us."""
    features: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return encodeJson(
            {
                "software": self.software,
                "window": self.window,
                "streams": self.streams,
                "features": list(self.features),
            }
        )

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        value = decodeJson(payload)
        return cls(
            software=printable(_text(value, "software", 100)),
            window=_whole(value, "window", WINDOW_MIN, WINDOW_MAX, WINDOW_DEFAULT),
            streams=_whole(value, "streams", 0, 2**31, 0),
            features=_texts(value, "features", 32),
        )


@frozen
class Login:
    """Who the agent is."""

    token: str = field(repr=False)
    agent: str
    """16 to 64 characters, random, kept for the agent's lifetime."""

    def encode(self) -> bytes:
        return encodeJson({"token": self.token, "agent": self.agent})

    @classmethod
    def decode(cls, payload: bytes) -> Login:
        value = decodeJson(payload)
        agent = _text(value, "agent", 64)
        if len(agent) < 16:
            raise ProtocolError("'agent' is shorter than 16 characters")
        return cls(token=_text(value, "token", 4_096), agent=agent)


@frozen
class Register:
    """A name that the agent asks for."""

    name: str
    type: str = "http"
    share: bool = False

    def encode(self) -> bytes:
        return encodeJson({"name": self.name, "type": self.type, "share": self.share})

    @classmethod
    def decode(cls, payload: bytes) -> Register:
        value = decodeJson(payload)
        type = _text(value, "type", default="http")
        if type not in ("http", "tls", "tcp"):
            raise ProtocolError("'type' is not http, tls or tcp")
        return cls(name=_text(value, "name"), type=type, share=_flag(value, "share"))


@frozen
class Registered:
    """The answer: the name as the gateway writes it, and where it is reached, main URL first; fit to print."""

    name: str
    urls: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return encodeJson({"name": self.name, "urls": list(self.urls)})

    @classmethod
    def decode(cls, payload: bytes) -> Registered:
        value = decodeJson(payload)
        urls = _texts(value, "urls", REGISTRATIONS_MAX)
        return cls(name=printable(_text(value, "name")), urls=tuple(map(printable, urls)))


@frozen
class Established:
    """The answer to FinishRegister: seconds of silence until a ping, and until the link is dead."""

    keepalive: int = 10
    timeout: int = 30

    def encode(self) -> bytes:
        return encodeJson({"keepalive": self.keepalive, "timeout": self.timeout})

    @classmethod
    def decode(cls, payload: bytes) -> Established:
        value = decodeJson(payload)
        keepalive = _whole(value, "keepalive", 1, 3_600, 10)
        timeout = _whole(value, "timeout", 2, 7_200, 30)
        if timeout <= keepalive:
            raise ProtocolError("'timeout' is not more than 'keepalive'")
        return cls(keepalive, timeout)


def encodeRefusal(error: Refused | ProtocolError) -> bytes:
    """The payload of an Error frame."""
    return encodeJson(
        {
            "code": error.code,
            "message": str(error)[:_TEXT_MAX],
            "permanent": getattr(error, "permanent", True),
        }
    )


def decodeRefusal(payload: bytes) -> Refused:
    """The error a peer sent; its text and code are made fit to print."""
    value = decodeJson(payload)
    message = printable(_text(value, "message"))
    code = printable(_text(value, "code", 64, "internal")) or "internal"
    return Refused(message or code, code=code, permanent=_flag(value, "permanent"))


def checkRegistrations(registrations: Sequence[Register]) -> None:
    """Raises ValueError: there are none, or too many for one link."""
    if not 1 <= len(registrations) <= REGISTRATIONS_MAX:
        raise ValueError(f"an agent registers 1 to {REGISTRATIONS_MAX} names")
