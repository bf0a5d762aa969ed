"""Tests of `diglett.demo`."""
