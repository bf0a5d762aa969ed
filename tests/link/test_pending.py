"""Streams whose backend is still being connected."""

from __future__ import annotations

import tracemalloc
from typing import Any

from diglett.testing import MemoryChannel, NotedEndpoint
from diglett.wire.frames import Reason
from tests.link.tunnels import CAPACITY, SpliceTestCase
from tests.plane.recorder import Recorder


class PendingTests(SpliceTestCase):
    """Streams whose backend is still being connected."""

    def setUp(self) -> None:
        super().setUp()
        self.slow = True

    def late(self) -> Recorder:
        return self.connectBackend(self.pending[-1])

    def test_keeps(self) -> None:
        """What a visitor says meanwhile is kept, at most a window of it, and delivered first."""
        visitor = self.visit()
        window = self.gateway.link.mux.streams[1].credit
        visitor.write(b"a" * window + b"b" * window)
        self.plane.pump()
        self.assertLessEqual(2 * window - visitor.channel.queued, window + 2 * CAPACITY)
        backend = self.late()
        self.plane.pump()
        self.assertEqual(bytes(backend.received), b"a" * window + b"b" * window)

    def test_keepsSmallPieces(self) -> None:
        """Single bytes take no more memory than that."""
        self.visit()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20_000):
            self.pending[0].deliver([memoryview(b"x")], 1)
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 100_000)

    def test_finished(self) -> None:
        """A visitor who has finished meanwhile has finished when it is connected."""
        visitor = self.visit()
        visitor.write(b"all")
        visitor.channel.finish()
        self.plane.pump()
        backend = self.late()
        self.plane.pump()
        self.assertEqual((bytes(backend.received), backend.events), (b"all", ["end"]))

    def test_visitorLeaves(self) -> None:
        """A visitor who leaves ends the attempt."""
        visitor = self.visit()
        visitor.abort()
        self.plane.pump()
        self.assertEqual(self.cancelled, 1)
        self.assertNoStreams()

    def test_failed(self) -> None:
        """When there is no backend the gateway hears why, and the visitor is reset."""
        visitor = self.visit()
        visitor.write(b"hello?")
        self.plane.pump()
        heard: list[Any] = []
        closed = self.splice.closed
        stream = self.gateway.link.mux.streams[1]

        class Listening(NotedEndpoint):
            def closed(self, reason: Reason, text: str) -> None:
                heard.append((reason, text))
                closed(reason, text)

        stream.endpoint = Listening()
        self.pending[0].failed(Reason.BACKEND_UNREACHABLE, "localhost:9: connection refused")
        self.plane.pump()
        self.assertEqual(heard, [(Reason.BACKEND_UNREACHABLE, "localhost:9: connection refused")])
        self.assertEqual((visitor.events, self.cancelled), (["broken"], 0))
        self.assertNoStreams()

    def test_closedTwice(self) -> None:
        """An attempt is cancelled once."""
        self.visit()
        self.gateway.link.close()
        self.plane.pump()
        self.pending[0].closed(Reason.LOST, "")
        self.assertEqual(self.cancelled, 1)

    def test_backendSpeaksFirst(self) -> None:
        """What the backend says at once is there."""
        visitor = self.visit()
        channel, backend = self.plane.pair(CAPACITY)
        assert isinstance(backend, MemoryChannel)
        recorder = Recorder(backend)
        recorder.write(b"220 ready")
        self.pending[0].connected(channel)
        self.plane.pump()
        self.assertEqual(bytes(visitor.received), b"220 ready")
