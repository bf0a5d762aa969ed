"""The protocol: bytes in, events out. No Twisted, no clock, no socket."""
