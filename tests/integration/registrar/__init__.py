"""Registrars against the real proxies and stores."""
