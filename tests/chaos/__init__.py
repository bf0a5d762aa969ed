"""The fault matrix: each fault meets each kind of traffic, between real processes; `make chaos` runs all of it.

A *world* is where the processes live: network namespaces with a NAT and a line of our own between them, or loopback
with a relay. A *house* is the gateway, the agent and the backend of one cell. A *fault* is what happens to them, a
*load* what visitors do meanwhile. A *cell* runs one fault under one load; `judge` says what must be true of it.
"""
