"""Makes `docs/vectors/wire-v2.json`: `python -m tests.wire.make_vectors` from the top of the project.

The machines and muxes of `diglett.wire` talk to each other here and what they say is written down, each piece of bytes
with what it means. `tests/wire/test_vectors.py` reads the file both ways, and holds that it is what this would make.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diglett.errors import Refused
from diglett.wire.codec import encodePreface
from diglett.wire.frames import HEADER, HEADER_SIZE, MAGIC, Kind, Reason, Way, decodeClose, encodeClose, encodeFrame
from diglett.wire.messages import Login
from diglett.wire.opening import Opening
from tests.wire.handshake import talking
from tests.wire.playing import Side

FILE = Path(__file__).parents[2] / "docs" / "vectors" / "wire-v2.json"

NAMES = {kind: "".join(part.capitalize() for part in kind.name.split("_")) for kind in Kind}
KINDS = {name: kind for kind, name in NAMES.items()}
_JSON = {Kind.OK, Kind.ERROR, Kind.REGISTER, Kind.LOGIN}
_DATA = {Kind.PAYLOAD, Kind.PING, Kind.PONG}

Meaning = dict[str, Any]
Step = dict[str, Any]


# ---- bytes and what they mean ------------------------------------------------------------------------------------


def explain(data: bytes) -> list[Meaning]:
    """What these bytes mean: a preface if they begin with one, then whole frames."""
    meanings: list[Meaning] = []
    if data.startswith(MAGIC):
        end = 7 + int.from_bytes(data[5:7], "big")
        meanings.append({"preface": data[4], "hello": json.loads(data[7:end])})
        data = data[end:]
    while data:
        kind, id, size = HEADER.unpack_from(data)
        payload = data[HEADER_SIZE : HEADER_SIZE + size]
        data = data[HEADER_SIZE + size :]
        assert len(payload) == size
        meanings.append(explainFrame(kind, id, payload))
    return meanings


def explainFrame(kind: int, id: int, payload: bytes) -> Meaning:
    """What one frame means."""
    if kind not in NAMES:
        return {"frame": kind, "id": id, "data": payload.hex()}
    meaning: Meaning = {"frame": NAMES[Kind(kind)], "id": id}
    if kind in _JSON:
        meaning["json"] = json.loads(payload)
    elif kind in _DATA and len(payload) > 100 and not any(payload):
        meaning["zeros"] = len(payload)
    elif kind in _DATA:
        meaning["data"] = payload.hex()
    elif kind == Kind.CLOSE:
        reason, text = decodeClose(payload)
        meaning |= {"code": int(reason), "text": text}
    elif kind == Kind.WINDOW:
        meaning["credit"] = int.from_bytes(payload, "big")
    elif kind == Kind.OPEN:
        opening = Opening.decode(payload)
        meaning |= {
            "registration": opening.registration,
            "way": opening.way,
            "visitor": opening.visitor,
            "front": opening.front,
        }
    return meaning


def encode(meaning: Meaning) -> bytes:
    """The bytes that mean this."""
    if "preface" in meaning:
        hello = _compact(meaning["hello"])
        return MAGIC + bytes([meaning["preface"]]) + len(hello).to_bytes(2, "big") + hello
    name, id = meaning["frame"], meaning["id"]
    kind = KINDS[name] if name in KINDS else name
    if kind in _JSON:
        return encodeFrame(kind, id, _compact(meaning["json"]))
    if kind == Kind.CLOSE:
        return encodeClose(id, Reason(meaning["code"]), meaning["text"])
    if kind == Kind.WINDOW:
        return encodeFrame(kind, id, meaning["credit"].to_bytes(4, "big"))
    if kind == Kind.OPEN:
        opening = Opening(meaning["registration"], meaning["way"], meaning["visitor"], meaning["front"])
        return encodeFrame(kind, id, opening.encode())
    return encodeFrame(kind, id, bytes.fromhex(meaning.get("data", "00" * meaning.get("zeros", 0))))


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


# ---- conversations -----------------------------------------------------------------------------------------------


class Conversation:
    """What both sides said, in turns."""

    def __init__(self, name: str, about: str) -> None:
        self.name = name
        self.about = about
        self.steps: list[Step] = []

    def said(self, who: str, data: bytes, why: str = "") -> bytes:
        """Write down what one side sent."""
        if data:
            step: Step = {"from": who, "hex": data.hex(), "means": explain(data)}
            if why:
                step["about"] = why
            self.steps.append(step)
        return data

    def asJson(self) -> dict[str, Any]:
        return {"name": self.name, "about": self.about, "steps": self.steps}


def handshake(name: str, about: str, agent: Any, gateway: talking.Gateway) -> dict[str, Any]:
    """Let the machines talk until nobody has anything to say."""
    story = Conversation(name, about)
    while agent.sent or gateway.sent:
        for who, here, there in (("agent", agent, gateway), ("gateway", gateway, agent)):
            data = bytes(here.sent)
            here.sent.clear()
            if story.said(who, data):
                there.receive(data)
    return story.asJson()


class Script:
    """An agent that says what it is told, whatever it hears."""

    def __init__(self, *said: bytes) -> None:
        self.sent = bytearray(b"".join(said))

    def receive(self, data: bytes) -> None: ...


def handshakes() -> list[dict[str, Any]]:
    """Whole handshakes, well and badly ended."""
    agent, gateway = talking.Agent, talking.Gateway
    preface = encodePreface(talking.AGENT_HELLO.encode())
    login = encodeFrame(Kind.LOGIN, 0, talking.LOGIN.encode())
    late = gateway()
    late.handshake.timeOut(Refused("the handshake took too long", code="timeout"))
    return [
        handshake(
            "granted", "two names, everything granted: the agent says all of it in one flight", agent(), gateway()
        ),
        handshake(
            "login refused",
            "the names behind the login are not looked at; the gateway closes after the Error",
            agent(login=Login("wrong", talking.LOGIN.agent)),
            gateway(strangers=True),
        ),
        handshake(
            "name taken",
            "the second name is refused; the first is withdrawn with it, and the gateway closes",
            agent(),
            gateway(taken="other"),
        ),
        handshake(
            "version mismatch",
            "an agent of a version that does not exist; the gateway needs five bytes to know",
            Script(preface[:4] + b"\x03" + preface[5:] + login),
            gateway(),
        ),
        handshake(
            "bad hello",
            "a window below the least one",
            Script(encode({"preface": 2, "hello": {"window": 1}})),
            gateway(),
        ),
        handshake(
            "out of order",
            "a FinishRegister without a Register",
            Script(preface, login, encodeFrame(Kind.FINISH_REGISTER, 0)),
            gateway(),
        ),
        handshake(
            "extension",
            "a frame of kind 64 between the questions is skipped; what is absent in the JSON has its default",
            Script(
                encode({"preface": 2, "hello": {"software": "ä/1"}}),
                encodeFrame(Kind.LOGIN, 0, b'{"agent":"0123456789abcdef","else":[1,2]}'),
                encodeFrame(64, 7, b"whatever"),
                encodeFrame(Kind.REGISTER, 1, b'{"name":"example"}'),
                encodeFrame(Kind.FINISH_REGISTER, 0),
            ),
            gateway(),
        ),
        handshake("too late", "an agent that said nothing in time", Script(), late),
    ]


class Streams(Conversation):
    """Both sides of an established link, moved by hand."""

    def __init__(self, name: str, about: str, window: int = 16_384) -> None:
        super().__init__(name, about)
        self.gateway = Side(opens=True, window=window, peerWindow=window)
        self.agent = Side(window=window, peerWindow=window)

    def turn(self, who: str, why: str = "") -> None:
        """What this side has to send arrives at the other."""
        here, there = (self.gateway, self.agent) if who == "gateway" else (self.agent, self.gateway)
        here.flush()
        data = self.said(who, bytes(here.sent), why)
        here.sent.clear()
        there.receive(data)


def httpStream() -> Streams:
    story = Streams("request and answer", "a visitor of the HTTPS front; both sides finish, and the stream is over")
    end = story.gateway.open(Opening(1, Way.HTTPS, "203.0.113.5 4711", "198.51.100.1 443"))
    story.gateway.mux.write(end.stream, b"GET / HTTP/1.1\r\nHost: example.gateway.com\r\n\r\n")
    story.gateway.mux.finish(end.stream)
    story.turn("gateway", "Open, the request, and no more of it")
    far = story.agent.endpoints[1]
    story.agent.mux.write(far.stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    story.turn("agent")
    story.agent.mux.write(far.stream, b"hi")
    story.agent.mux.finish(far.stream)
    story.turn("agent")
    return story


def speaksFirst() -> Streams:
    story = Streams("service speaks first", "Open is sent at once; the agent finishes first; a Ping in between")
    end = story.gateway.open(Opening(2, Way.PORT, "2001:db8::5 4711", ""))
    story.turn("gateway")
    far = story.agent.endpoints[1]
    story.agent.mux.write(far.stream, b"220 ready\r\n")
    story.agent.mux.ping(bytes(range(8)))
    story.turn("agent")
    story.turn("gateway", "the Pong has the bytes of the Ping")
    story.agent.mux.finish(far.stream)
    story.turn("agent")
    story.gateway.mux.write(end.stream, b"QUIT\r\n")
    story.gateway.mux.finish(end.stream)
    story.turn("gateway")
    return story


def closes() -> Streams:
    story = Streams("closed", "a backend that refuses, a visitor that resets; what comes late is ignored")
    first = story.gateway.open(Opening(1, Way.HTTP, "203.0.113.5 4711", "198.51.100.1 80"))
    second = story.gateway.open(Opening(1, Way.TLS, "", ""))
    story.turn("gateway")
    refused = story.agent.endpoints[1].stream
    story.agent.mux.close(refused, Reason.BACKEND_UNREACHABLE, "localhost:9000: connection refused")
    story.gateway.mux.write(first.stream, b"late")
    story.gateway.mux.close(second.stream, Reason.RESET)
    story.turn("gateway", "payload for a stream that the agent has just closed, and a reset")
    story.agent.mux.write(story.agent.endpoints[3].stream, b"too late")
    story.turn("agent")
    third = story.gateway.open(Opening(1, Way.PORT, "203.0.113.5 4712", "198.51.100.1 41234"))
    story.gateway.mux.close(third.stream)
    story.turn("gateway", "a Close without a reason")
    return story


def credit() -> Streams:
    story = Streams("credit", "window 16384: the agent returns credit when half of it was delivered, and not before")
    story.agent.takes = 0
    end = story.gateway.open(Opening(1))
    story.gateway.mux.write(end.stream, bytes(8_000))
    story.turn("gateway")
    story.agent.endpoints[1].drain()
    story.turn("agent")
    assert len(story.steps) == 1, "credit was returned too early"
    story.gateway.mux.write(end.stream, bytes(192))
    story.turn("gateway", "these are the last bytes of half a window")
    story.agent.endpoints[1].drain()
    story.turn("agent", "all 8192 that were delivered, at once")
    story.gateway.mux.write(end.stream, b"x")
    story.gateway.mux.finish(end.stream)
    story.turn("gateway")
    story.agent.endpoints[1].drain()
    story.agent.mux.finish(story.agent.endpoints[1].stream)
    story.turn("agent", "no credit is returned to who has finished")
    return story


def drain() -> Streams:
    story = Streams("drain", "the agent drains while an Open is on its way; the old stream goes on; then the link ends")
    old = story.gateway.open(Opening(1, Way.HTTPS))
    story.turn("gateway")
    story.agent.mux.drain()
    story.gateway.open(Opening(1, Way.HTTPS))
    story.turn("gateway", "sent before the Drain was heard")
    story.turn("agent", "Drain, and the refusal: safe to be tried elsewhere")
    story.gateway.mux.write(old.stream, b"bye")
    story.gateway.mux.finish(old.stream)
    story.turn("gateway")
    story.agent.mux.finish(story.agent.endpoints[1].stream)
    story.agent.mux.terminate()
    story.turn("agent")
    return story


def revoked() -> Streams:
    story = Streams("revoked", "the gateway ends the link and says why")
    story.gateway.mux.terminate(Refused("the token was revoked", code="revoked", permanent=True))
    story.turn("gateway")
    return story


def broken() -> Streams:
    story = Streams("stream broken", "payload behind its sender's Finish: Close 7, and the link goes on")
    end = story.gateway.open(Opening(1))
    story.gateway.mux.finish(end.stream)
    story.turn("gateway")
    data = story.said("gateway", encode({"frame": "Payload", "id": 1, "data": b"more".hex()}), "not allowed")
    story.agent.receive(data)
    story.turn("agent")
    return story


STREAMS: list[Callable[[], Streams]] = [httpStream, speaksFirst, closes, credit, drain, revoked, broken]

LINK_ERRORS: list[tuple[str, str, bytes]] = [
    ("agent", "an Open with an even id", encodeFrame(Kind.OPEN, 2, Opening(1).encode())),
    ("agent", "an Open with the id of a live stream (1 is live)", encodeFrame(Kind.OPEN, 1, Opening(1).encode())),
    ("agent", "an Open whose addresses have no zero byte between", encodeFrame(Kind.OPEN, 3, b"\0\1\0a 1")),
    ("gateway", "an Open from the agent", encodeFrame(Kind.OPEN, 3, Opening(1).encode())),
    ("both", "an unknown kind", encodeFrame(14, 0)),
    ("both", "a kind of the handshake", encodeFrame(Kind.LOGIN, 0, b"{}")),
    ("both", "a frame of more than 65536 bytes, known by its header", bytes.fromhex("0400000001fffa")),
    ("both", "a Finish with a payload", encodeFrame(Kind.FINISH, 1, b"x")),
    ("both", "a Window of three bytes", encodeFrame(Kind.WINDOW, 1, b"\0\0\1")),
    ("both", "a Window of nothing", encodeFrame(Kind.WINDOW, 1, bytes(4))),
    ("both", "a Close of one byte", encodeFrame(Kind.CLOSE, 1, b"\0")),
    ("both", "a Ping of seven bytes", encodeFrame(Kind.PING, 0, bytes(7))),
    ("both", "a Ping with a stream's id", encodeFrame(Kind.PING, 1, bytes(8))),
    ("both", "a Drain with a payload", encodeFrame(Kind.DRAIN, 0, b"x")),
    ("both", "an Error that is no JSON object", encodeFrame(Kind.ERROR, 0, b"no")),
]

IGNORED: list[tuple[str, bytes]] = [
    ("an extension that nobody knows", encodeFrame(64, 1, b"whatever")),
    ("another, without payload", encodeFrame(127, 0)),
    ("a Payload without payload", encodeFrame(Kind.PAYLOAD, 1)),
    ("a Payload for a stream that is over or never was", encodeFrame(Kind.PAYLOAD, 99, b"late")),
    ("a Finish for one", encodeFrame(Kind.FINISH, 99)),
    ("a Close for one", encodeClose(99, Reason.RESET)),
    ("a Window for one", encodeFrame(Kind.WINDOW, 99, b"\0\0\0\1")),
]


def record() -> dict[str, Any]:
    """The whole file."""
    return {
        "about": [
            "diglett wire protocol, version 2 (docs/wire.md): whole conversations inside TLS, all bytes in hex.",
            "A step is what one side sent in one piece; `means` says the same in words, frame by frame: encoding that "
            "gives the bytes, decoding the bytes gives that. `data` is hex, `zeros` that many zero bytes. JSON is "
            "compact here, keys in this order; a receiver takes it in any form.",
            "`handshakes` begin with the connection. `streams` begin on an established link, both windows 16384, "
            "nothing open yet. `link errors` are frames that end a link on which stream 1 is open; `to` says whom they "
            "must not be sent to. `ignored` are frames that change nothing there.",
            "Made by tests/wire/make_vectors.py, checked by tests/wire/test_vectors.py.",
        ],
        "handshakes": handshakes(),
        "streams": [make().asJson() for make in STREAMS],
        "link errors": [{"to": to, "about": why, "hex": data.hex()} for to, why, data in LINK_ERRORS],
        "ignored": [{"about": why, "hex": data.hex()} for why, data in IGNORED],
    }


def main() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(record(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
