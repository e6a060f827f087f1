"""`python -m flowload` is `flowload`."""

from __future__ import annotations

import sys

from flowload.cli import main

if __name__ == "__main__":
    sys.exit(main())
