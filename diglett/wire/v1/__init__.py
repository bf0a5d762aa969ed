"""Version 1, the original protocol (`docs/wire-v1.md`): another handshake, and fewer words over the same frames."""
