"""The two handshake machines: every state, whatever comes in it."""
