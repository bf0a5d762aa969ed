"""Rounds: every row, every contender, in turn, so that a bad quarter of an hour hits all alike."""

from __future__ import annotations

import sys
import time
from typing import Sequence

from attrs import define, field

from benchmarks.contenders.base import Contender, Running
from benchmarks.errors import Trouble
from benchmarks.lab import Lab
from benchmarks.results import Results
from benchmarks.rows.base import Row

_LIMIT = 2  # failures of one row with one contender, after which it is left out


@define(eq=False)
class Runner:
    """Measures; contenders of shared rows are started once and kept."""

    lab: Lab
    rows: Sequence[Row]
    contenders: Sequence[Contender]
    results: Results
    _live: dict[str, Running] = field(factory=dict, init=False)
    _failures: dict[tuple[str, str], int] = field(factory=dict, init=False)

    def run(self, rounds: int) -> None:
        """All rounds. What fails is noted in the results and the rest goes on."""
        self.results.labels.update({each.key: each.label for each in self.contenders})
        for row in self.rows:
            for metric in row.metrics(self.lab.settings):
                self.results.metrics[metric.key] = metric
        self._startShared()
        for number in range(rounds):
            begun = time.monotonic()
            for row in self.rows:
                # Each round begins with another contender.
                turn = number % len(self.contenders)
                for contender in [*self.contenders[turn:], *self.contenders[:turn]]:
                    self._cell(row, contender, f"round {number + 1}/{rounds}")
            say(f"round {number + 1}/{rounds}: {time.monotonic() - begun:.0f} s", keep=True)

    def _startShared(self) -> None:
        for contender in self.contenders:
            if any(not row.fresh and row.applies(contender) for row in self.rows):
                say(f"starting {contender.label}")
                try:
                    self._live[contender.key] = self._start(contender)
                except Trouble as trouble:
                    self._note(f"{contender.label}: {trouble}")
                    for row in self.rows:
                        self._failures[row.key, contender.key] = _LIMIT

    def _start(self, contender: Contender) -> Running:
        site = self.lab.site(contender.key)
        try:
            return contender.start(site)
        except BaseException:
            site.stop()
            raise

    def _cell(self, row: Row, contender: Contender, where: str) -> None:
        key = row.key, contender.key
        if not row.applies(contender) or self._failures.get(key, 0) >= _LIMIT:
            return
        say(f"{where}: {row.key}: {contender.label}")
        try:
            if row.fresh:
                with row.opened(self.lab, contender) as running:
                    values = row.measure(running)
            else:
                values = row.measure(self._shared(contender))
        except Trouble as trouble:
            self._failures[key] = self._failures.get(key, 0) + 1
            self._note(f"{row.key}, {contender.label}: {trouble}")
        else:
            self.results.add(contender.key, values)

    def _shared(self, contender: Contender) -> Running:
        """The one kept, or a new one where it has died."""
        running = self._live[contender.key]
        if not running.alive():
            self._note(f"{contender.label}: died and was started again:\n{_lastWords(running)}")
            running.stop()
            running = self._live[contender.key] = self._start(contender)
        return running

    def _note(self, text: str) -> None:
        if text not in self.results.problems:
            self.results.problems.append(text)
        say(text, keep=True)


def _lastWords(running: Running) -> str:
    ended = [process for all_ in running.site.roles.values() for process in all_ if process.ended]
    return "\n".join(f"{process.name} ({process.popen.returncode}): {process.tail(4)}" for process in ended)


def say(text: str, keep: bool = False) -> None:
    """Progress, on stderr: one line that is overwritten on a terminal, kept lines only elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}" + ("\n" if keep else ""))
    elif keep:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()
