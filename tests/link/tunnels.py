"""A whole tunnel in memory: visitors, two splices, a link between them, backends."""

from __future__ import annotations

from diglett.link.link import Link
from diglett.link.splice import PendingSplice, Splice
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream
from tests.link.rooms import OPENING, LinkTestCase
from tests.plane.recorder import Recorder

CAPACITY = 8_192
"""Bytes in each direction of a visitor's or a backend's connection."""


class SpliceTestCase(LinkTestCase):
    """A whole tunnel: visitor, gateway's splice, link, agent's splice, backend."""

    tls = False
    pending: list[PendingSplice]

    def setUp(self) -> None:
        super().setUp()
        self.backends: list[Recorder] = []
        self.pending = []
        self.slow = False
        self.cancelled = 0
        self.connect(tls=self.tls, answer=self.answer)

    def answer(self, link: Link, stream: Stream, opening: Opening) -> Endpoint:
        pending = PendingSplice(link.mux, stream)
        self.pending.append(pending)

        def cancel() -> None:
            self.cancelled += 1

        pending.connecting(cancel)
        if not self.slow:
            self.connectBackend(pending)
        return pending

    def connectBackend(self, pending: PendingSplice) -> Recorder:
        channel, backend = self.plane.pair(CAPACITY)
        recorder = Recorder(backend)
        backend.resumeReading()
        self.backends.append(recorder)
        pending.connected(channel)
        return recorder

    def visit(self) -> Recorder:
        """A visitor; its backend is the last of `backends`."""
        channel, visitor = self.plane.pair(CAPACITY)
        splice = Splice(channel)
        splice.mux = self.gateway.link.mux
        splice.stream = splice.mux.open(OPENING, splice)
        self.splice = splice
        splice.start()
        recorder = Recorder(visitor)
        visitor.resumeReading()
        self.plane.pump()
        return recorder

    def both(self) -> tuple[Recorder, Recorder]:
        visitor = self.visit()
        return visitor, self.backends[-1]

    def assertNoStreams(self) -> None:
        """Nothing is left of any stream, and no byte is unaccounted for."""
        for side in (self.gateway, self.agent):
            mux = side.link.mux
            self.assertEqual((mux.streams, mux.undelivered, len(mux._waiting)), ({}, 0, 0))
