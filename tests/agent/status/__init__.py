"""Tests of `diglett.agent.status`."""
