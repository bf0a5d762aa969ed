"""An established link: a mux carried by a channel, watched for silence."""

from __future__ import annotations

import struct
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from diglett.errors import DiglettError, LinkClosed, LinkLost, ProtocolError, Refused
from diglett.plane.channel import Channel
from diglett.plane.records import INCOMING_SIZE
from diglett.wire.frames import FRAME_MAX
from diglett.wire.keepalive import Watch, newKeepAlive
from diglett.wire.messages import Established, Hello
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

log = Logger()

_plaintext = memoryview(bytearray(INCOMING_SIZE + FRAME_MAX))
"""Where every link decrypts to: what is left unparsed is kept per link, so it is free again after each turn."""
TICKS = 4
"""Looks at the silence per keep-alive interval."""
UNASKED = 5.0
"""Seconds between looks at a mux whose peer is not asked."""
_time = struct.Struct(">d")


class LinkHandler(Protocol):
    """Who a link belongs to: a session at the gateway, the service at the agent."""

    def accept(self, link: Link, stream: Stream, opening: Opening) -> Endpoint:
        """The peer opened a stream."""

    def draining(self, link: Link) -> None:
        """The peer wants no new streams."""

    def emptied(self, link: Link) -> None:
        """A draining link has no streams left."""

    def lost(self, link: Link, error: DiglettError) -> None:
        """It is over, whoever ended it; called once, after all its streams were closed."""


class Link:
    """Moves the mux's bytes, owns the link's timer, and ends exactly once."""

    def __init__(
        self,
        plane: Any,
        channel: Channel,
        handler: LinkHandler,
        *,
        opens: bool,
        ours: Hello,
        theirs: Hello,
        terms: Established | None,
        label: str,
        muxType: type[Mux] = Mux,
    ) -> None:
        """`terms` is None when the peer cannot be asked whether it is there: the kernel has to find out."""
        self.label = label
        """For logs: the peer's address."""
        self.received = 0
        """Bytes of frames that came so far."""
        self.sent = 0
        self._plane = plane
        self._channel = channel
        self._handler = handler
        self._terms = terms
        self.mux = muxType(
            self,
            plane.clock.seconds,
            opens=opens,
            pool=plane.pool,
            window=ours.window,
            peerWindow=theirs.window,
            streamsMax=ours.streams,
            peerStreams=theirs.streams,
        )
        self._partial = b""
        self._over = False
        self._heard = False
        self._lastHeard = plane.clock.seconds()
        self._watch = newKeepAlive(Watch(ping=self._ping, giveUp=self._giveUp))
        self._timer: Any = None
        self._probes: list[Deferred[bool]] = []
        self._asked = b""
        """The last ping that was not answered."""

    def start(self, rest: bytes = b"") -> None:
        """Begin to carry; `rest` came behind the handshake. Nothing happens when it was closed in the meantime."""
        if self._over:
            return
        self._channel.owner = self
        self._schedule()
        self._ping()
        if rest:
            self._receive(memoryview(rest))
        if not self._over:
            self._channel.resumeReading()

    # ---- the channel's owner -------------------------------------------------------------------------------------

    def readable(self) -> None:
        partial = self._partial
        offset = len(partial)
        if offset:
            _plaintext[:offset] = partial
        try:
            size = self._channel.readInto(_plaintext[offset:])
        except OSError as error:
            self.broken(error)
            return
        if size > 0:
            self.received += size
            self._receive(_plaintext[: offset + size])
        elif size == 0:
            self._end(LinkLost("the other side closed the link"))

    def _receive(self, data: memoryview) -> None:
        self._heard = True
        if self._probes:
            self._answerProbes(True)
        try:
            used = self.mux.receive(data)
        except ProtocolError as error:
            self.close(error)  # whose handler says why it is over
            return
        self._partial = bytes(data[used:]) if used < len(data) else b""

    def drained(self, size: int) -> None:
        if not self._channel.queued and self.mux.blocked and not self._over:
            self.mux.unblock()
            self.flush()

    def broken(self, error: Exception) -> None:
        self._end(LinkLost(f"the connection broke: {reasonOf(error)}"))

    # ---- the mux's driver ----------------------------------------------------------------------------------------

    def outputReady(self) -> None:
        self._plane.atBatchEnd(self.flush)

    def flush(self) -> None:
        mux = self.mux
        if mux.blocked or self._over:
            return
        output = mux.output()
        if output:
            channel = self._channel
            size = sum(map(len, output))
            self.sent += size
            channel.write(output, size)
            mux.outputTaken()
            if channel.queued:
                mux.block()

    def accept(self, stream: Stream, opening: Opening) -> Endpoint:
        return self._handler.accept(self, stream, opening)

    def ponged(self, payload: bytes) -> None:
        if payload != self._asked:
            return  # a peer that answers what was not asked would say how fast windows grow
        self._asked = b""
        elapsed = self._plane.clock.seconds() - _time.unpack(payload)[0]
        growth = self.mux.growth
        if elapsed > 0 and (not growth.roundTrip or elapsed < growth.roundTrip):
            growth.roundTrip = elapsed

    def draining(self) -> None:
        self._handler.draining(self)
        if not self.mux.streams:
            self.emptied()

    def emptied(self) -> None:
        self._handler.emptied(self)

    def terminated(self) -> None:
        self._end(LinkClosed("the other side ended the link"))

    def refused(self, error: Refused) -> None:
        self._end(error)

    def relieved(self) -> None:
        """Nobody waits for it here: credit keeps streams from being crowded."""

    def failed(self, stream: Stream) -> None:
        log.failure("{label}: a bug in stream {id}; it is closed", label=self.label, id=stream.id)

    # ---- ends ----------------------------------------------------------------------------------------------------

    @property
    def silence(self) -> float:
        """Seconds since the peer was last heard, to within a quarter of the keep-alive interval."""
        return 0.0 if self._heard else self._plane.clock.seconds() - self._lastHeard

    def drain(self) -> None:
        """No new streams, in either direction; the running ones go on."""
        if not self._over:
            self.mux.drain()
            if not self.mux.streams:
                self.emptied()

    def close(self, error: Refused | ProtocolError | None = None) -> None:
        """End it, and tell the peer why."""
        if self._over:
            return
        self.mux.terminate(error)
        self.mux.blocked = False
        self.flush()
        self._end(error or LinkClosed("closed"))

    def _end(self, error: DiglettError) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._channel.close()
        self._partial = b""
        self._answerProbes(False)
        self.mux.lost(str(error))
        self._handler.lost(self, error)

    # ---- liveness ------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        interval = UNASKED if self._terms is None else self._terms.keepalive / TICKS
        self._timer = self._plane.clock.callLater(interval, self._tick)

    def _tick(self) -> None:
        self._schedule()
        now = self._plane.clock.seconds()
        if self.mux.overflowed:
            self._end(LinkLost("the other side does not read what it is told"))
            return
        self.mux.tick(now)
        if self._terms is None or self._over:
            return
        if self._heard:
            self._heard = False
            self._lastHeard = now
            self._watch.heard()
            return
        silence = now - self._lastHeard
        if silence >= self._terms.timeout:
            self._watch.expired()
        elif silence >= self._terms.keepalive:
            self._watch.silent()

    def _ping(self) -> None:
        self._asked = _time.pack(self._plane.clock.seconds())
        self.mux.ping(self._asked)

    def probe(self, seconds: float) -> Deferred[bool]:
        """Whether the peer says anything within this time; it is asked to. Who cannot be asked counts as alive."""
        if self._over or self._terms is None:
            return succeed(not self._over)
        probe: Deferred[bool] = Deferred()
        self._probes.append(probe)
        timeout = self._plane.clock.callLater(seconds, probe.callback, False)

        def stop(answer: bool) -> bool:
            if timeout.active():
                timeout.cancel()
            if probe in self._probes:
                self._probes.remove(probe)
            return answer

        probe.addBoth(stop)
        self._ping()
        return probe

    def _answerProbes(self, alive: bool) -> None:
        probes, self._probes = self._probes, []
        for probe in probes:
            probe.callback(alive)

    def _giveUp(self) -> None:
        assert self._terms is not None
        self._channel.abort()
        self._end(LinkLost(f"nothing was heard from the other side for {self._terms.timeout} s"))


def reasonOf(error: Exception) -> str:
    """An OSError in few words."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
