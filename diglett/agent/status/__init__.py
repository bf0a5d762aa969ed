"""What running agents know of themselves: kept, told on a Unix socket, asked for and shown by `diglett status`."""
