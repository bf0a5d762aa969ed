"""Certificates and TLS handshakes, in memory and with the real OpenSSL."""
