"""Tests of `diglett.peek`."""
