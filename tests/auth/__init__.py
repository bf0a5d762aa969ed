"""Tests of `diglett.auth`."""
