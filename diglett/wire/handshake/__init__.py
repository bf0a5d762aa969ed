"""The two handshake machines and what they read."""
