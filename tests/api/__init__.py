"""Programs that publish something."""
