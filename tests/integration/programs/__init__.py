"""Programs that tests run as backends: small uses of servers that are not ours."""
