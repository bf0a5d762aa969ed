"""What may go wrong in a benchmark without ending it."""

from __future__ import annotations


class Trouble(Exception):
    """A contender or a measurement failed; the run goes on without it and reports the text."""


class Missing(Trouble):
    """Something a contender or row needs is not on this machine."""
