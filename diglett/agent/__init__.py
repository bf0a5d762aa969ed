"""The agent: one link to the gateway, kept up for ever; backends behind it."""
