"""Tests of the data plane: one conformance suite over every kind of channel, then what each driver has of its own."""
