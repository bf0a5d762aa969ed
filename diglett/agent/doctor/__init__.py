"""`diglett doctor`: the way from a visitor to the backends, step by step, with what to do where it ends."""
