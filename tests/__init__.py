"""The test suite mirrors the package: diglett/x/y.py is tested in tests/x/test_y.py."""
