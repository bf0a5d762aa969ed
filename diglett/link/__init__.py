"""Where the wire meets the plane: handshakes on channels, established links, liveness, splices."""
