"""An established link of version 1: nobody can be asked for a sign of life, nor to wait with what he sends."""

from __future__ import annotations

from typing import Any

from diglett.errors import DiglettError
from diglett.link.link import Link, LinkHandler
from diglett.plane.channel import Channel
from diglett.wire.v1.mux import V1Mux
from diglett.wire.v1.words import SILENT_HELLO

UNACKNOWLEDGED = 60.0
"""Seconds until the kernel gives a link up: the original reads nothing while one of its backends is slow."""
BREATH = 0.002
"""Seconds that are waited with reading, at the most, for who takes his bytes a little more slowly than they come.

The link stays fast (64 KiB a breath are 30 MB/s), so this helps between machines that are near each other, where a
download as fast as that would overrun any buffer; and who does not read at all is given up all the sooner.
"""


class V1Link(Link):
    """`Link` for version 1."""

    mux: V1Mux

    def __init__(self, plane: Any, channel: Channel, handler: LinkHandler, *, opens: bool, label: str) -> None:
        super().__init__(
            plane,
            channel,
            handler,
            opens=opens,
            ours=SILENT_HELLO,
            theirs=SILENT_HELLO,
            terms=None,
            label=label,
            muxType=V1Mux,
        )
        self._breath: Any = None

    def _receive(self, data: memoryview) -> None:
        super()._receive(data)
        if self.mux.crowded and not self._over and self._breath is None:
            self._channel.pauseReading()
            self._breath = self._plane.clock.callLater(BREATH, self._breathed)

    def relieved(self) -> None:
        """Those for whom we wait have taken enough."""
        if self._breath is not None:
            self._breath.cancel()
            self._breathed()

    def _breathed(self) -> None:
        self._breath = None
        self.mux.crowded.clear()
        self._channel.resumeReading()

    def _end(self, error: DiglettError) -> None:
        if self._breath is not None:
            self._breath.cancel()
            self._breath = None
        super()._end(error)
