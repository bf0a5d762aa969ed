"""Tests of `diglett.agent.doctor`."""
