"""Tests of `diglett.registrar`."""
