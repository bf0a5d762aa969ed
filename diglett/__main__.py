"""`python -m diglett` is `diglett`."""

from __future__ import annotations

import sys

from diglett.cli import main

if __name__ == "__main__":
    sys.exit(main())
