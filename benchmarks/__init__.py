"""The benchmark of diglett beside other tunnels; `python -m benchmarks --help`, and README.md."""
