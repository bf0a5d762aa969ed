"""How many lines of a target's modules its corpus reaches: libFuzzer counts edges, which tell people little."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from types import CodeType, FrameType, ModuleType
from typing import Any


def linesReached(modules: Iterable[str], check: Callable[[bytes], object], inputs: Iterable[bytes]) -> tuple[int, int]:
    """Lines of functions of these modules: how many the inputs reach, and how many there are."""
    lines: dict[CodeType, set[int]] = {}
    for module in modules:
        for code in _codes(import_module(module)):
            lines[code] = {line for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
    all_ = sum(map(len, lines.values()))

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        missing = lines.get(frame.f_code)
        if not missing:
            return None

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            missing.discard(frame.f_lineno)
            return step

        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        for each in inputs:
            check(each)
    finally:
        sys.settrace(before)
    return all_ - sum(map(len, lines.values())), all_


def _codes(module: ModuleType) -> list[CodeType]:
    """The code of all its functions, those within others included; no module's or class's own."""
    found: list[CodeType] = []
    stack: list[Any] = list(vars(module).values())
    seen: set[int] = set()
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, CodeType):
            found.append(value)
            stack += value.co_consts
        elif isinstance(value, type) and value.__module__ == module.__name__:
            stack += vars(value).values()
        elif isinstance(value, (staticmethod, classmethod)):
            stack.append(value.__func__)
        elif isinstance(value, property):
            stack += [value.fget, value.fset]
        elif getattr(value, "__wrapped__", None) is not None:
            stack.append(value.__wrapped__)
        elif getattr(value, "__module__", None) == module.__name__ and hasattr(value, "__code__"):
            stack.append(value.__code__)
    return found
