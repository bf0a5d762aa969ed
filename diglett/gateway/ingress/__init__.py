"""The ways in for visitors: listening ports, the HTTP front, the TLS front."""
