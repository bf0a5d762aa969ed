"""One target in each module."""
