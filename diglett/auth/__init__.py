"""Authenticators: each decides in its own way who may connect. Leaves; found as plugins."""
