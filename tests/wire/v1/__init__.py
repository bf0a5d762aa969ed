"""Version 1, held to the vectors that were recorded of the original, and to what it must survive."""
