"""After many agents have come and gone, and many streams, everything is back where it was: `python -m tests.leak`."""
