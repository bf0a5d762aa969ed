"""Looking at the first bytes of a connection: whom it is for (a ClientHello), and from whom (a PROXY header)."""
