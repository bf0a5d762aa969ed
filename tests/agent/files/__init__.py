"""Tests of `diglett.agent.files`."""
