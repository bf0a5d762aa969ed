"""The gateway: agents come in at one side, visitors at the other, names between them."""
