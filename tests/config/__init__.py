"""Tests of the values that programs are told."""
