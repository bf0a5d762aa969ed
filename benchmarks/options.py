"""The command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Sequence, TypeVar

from benchmarks.contenders import Contender, allContenders
from benchmarks.errors import Trouble
from benchmarks.rows import Row, allRows
from benchmarks.settings import Settings

_T = TypeVar("_T", Row, Contender)


def parser() -> argparse.ArgumentParser:
    """All options."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure diglett beside other tunnels; see benchmarks/README.md."
    )
    found.add_argument("--quick", action="store_true", help="2 short rounds and fewer idle streams")
    found.add_argument("--rounds", type=_positive, metavar="N", help="interleaved rounds (default 5)")
    found.add_argument("--seconds", type=_positive, metavar="S", help="length of one measurement (default 2)")
    found.add_argument("--rows", metavar="A,B", help="only these, or those that begin so")
    found.add_argument("--contenders", metavar="A,B", help="only these")
    found.add_argument("--prototype", type=Path, metavar="DIR", help="folder with mux2.py, to measure beside")
    found.add_argument(
        "--others", type=Path, action="append", default=[], metavar="FILE", help="TOML file naming more tunnels"
    )
    found.add_argument("--json", type=Path, metavar="FILE", help="keep all samples, for benchmarks.compare")
    found.add_argument("--list", action="store_true", help="show rows and contenders, measure nothing")
    return found


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def chooseRows(wanted: str | None, settings: Settings) -> list[Row]:
    """All, or those named; `bulk` names each row that is bulk or begins with bulk-."""
    return _choose(list(allRows(settings)), wanted, "row", families=True)


def chooseContenders(wanted: str | None, prototype: Path | None, others: Sequence[Path]) -> list[Contender]:
    """All, or those named. Trouble when two have one name."""
    known = allContenders(prototype, others)
    keys = [contender.key for contender in known]
    for key in keys:
        if keys.count(key) > 1:
            raise Trouble(f"two contenders are called {key!r}")
    return _choose(known, wanted, "contender")


def _choose(known: list[_T], wanted: str | None, what: str, families: bool = False) -> list[_T]:
    if wanted is None:
        return known
    chosen = []
    for name in filter(None, wanted.split(",")):
        found = [each for each in known if each.key == name or (families and each.key.startswith(f"{name}-"))]
        if not found:
            raise Trouble(f"no {what} {name!r}; there are {', '.join(each.key for each in known)}")
        chosen += found
    if not chosen:
        raise Trouble(f"no {what} chosen")
    return [each for each in known if each in chosen]
