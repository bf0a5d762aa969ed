"""Programs of the fault matrix: a backend, visitors, and a relay that fails when told to."""
