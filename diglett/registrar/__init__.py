"""Registrars: each makes names reachable in its own way. Leaves; found as plugins."""
