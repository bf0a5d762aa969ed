"""Fuzzing: each module of `targets` checks one reader of hostile bytes, whatever these are; `make fuzz` runs all of it.

A target is `check(data)`, which raises when something is not as it must be: an exception that nobody documented, a
buffer beyond its bound, other events when the same bytes come in other pieces, a value that is not what it was after
being written and read. `SEEDS` are sound inputs to begin with, `MODULES` what is watched for coverage. atheris runs
targets for long (`python -m tests.fuzz`), the ordinary suite runs them for a moment without it (`test_targets`).
"""
