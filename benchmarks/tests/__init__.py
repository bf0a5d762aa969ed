"""Tests of the benchmark itself: python -m twisted.trial benchmarks."""
