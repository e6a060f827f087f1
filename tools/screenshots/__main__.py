"""`python tools/screenshots`: make the pictures of the docs anew, from real runs."""

from __future__ import annotations

import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.screenshots.command import main  # noqa: E402 - the path first

if __name__ == "__main__":
    sys.exit(main())
