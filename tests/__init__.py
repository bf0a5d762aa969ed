"""The test suite mirrors the package: diglett/x/y.py is tested in tests/x/test_y.py."""

from __future__ import annotations

import os

import hypothesis

# The same examples in every run, and no time limit on one: a failure is a
# fault in the program, never a slow machine. To look for new examples, run
# with DIGLETT_HYPOTHESIS=explore.
hypothesis.settings.register_profile("diglett", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("DIGLETT_HYPOTHESIS", "diglett"))
