"""Who is who over TLS: certificates, the local CA, and the contexts both sides use."""
