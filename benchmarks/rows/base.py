"""What a row is: one measurement, the same for every contender, giving a few figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import Iterator, Mapping

from attrs import frozen

from benchmarks.contenders.base import Contender, Running
from benchmarks.lab import Lab
from benchmarks.place import HERE, Place
from benchmarks.settings import Settings


@frozen
class Metric:
    """One figure: its key, what to call it, its unit, and whether more or less of it is better.

    absolute figures do not depend on the machine's speed: compare.py takes them as they are.
    """

    key: str
    title: str
    unit: str
    more: bool = True
    absolute: bool = False


class Row(ABC):
    """One measurement. A fresh row gets a contender just started and used by nobody else.

    door: the backend it needs.  opaque: it needs a door that takes any bytes.
    """

    key: str
    door: str = "load"
    opaque: bool = False
    fresh: bool = False

    def applies(self, contender: Contender) -> bool:
        """Whether this can be measured there at all."""
        return self.door in contender.doors and (contender.opaque or not self.opaque)

    @abstractmethod
    def metrics(self, settings: Settings) -> list[Metric]:
        """What measure gives under these settings, in the table's order."""

    @abstractmethod
    def measure(self, running: Running) -> Mapping[str, float]:
        """Figures by key. Trouble when it did not work."""

    @contextmanager
    def opened(self, lab: Lab, contender: Contender) -> Iterator[Running]:
        """A fresh start of the contender for this row alone."""
        with self.place(lab) as place:
            site = lab.site(f"{self.key}-{contender.key}", place)
            try:
                yield contender.start(site)
            finally:
                site.stop()

    @contextmanager
    def place(self, lab: Lab) -> Iterator[Place]:
        """Where a fresh start is made."""
        yield HERE
