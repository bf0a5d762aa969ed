"""How long and how much to measure."""

from __future__ import annotations

from attrs import evolve, frozen


@frozen
class Settings:
    """One measurement's size: times in seconds (wrk knows whole ones only)."""

    seconds: int = 2
    warm: float = 0.4
    trials: int = 5
    idle: tuple[int, ...] = (2000, 10000)
    lineSeconds: int = 6
    lineWarm: float = 2.0

    @classmethod
    def make(cls, quick: bool = False, seconds: int | None = None) -> Settings:
        """quick is for a glance when something was changed: more noise, fewer streams."""
        found = cls(seconds=1, warm=0.2, trials=2, idle=(2000,), lineSeconds=2, lineWarm=1.5) if quick else cls()
        return found if seconds is None else evolve(found, seconds=seconds)
