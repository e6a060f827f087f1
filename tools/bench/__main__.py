"""`python tools/bench`: what flowload does in a second, beside what bare threads and other loaders do."""

from __future__ import annotations

import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.bench.command import main  # noqa: E402 - the path first

if __name__ == "__main__":
    main(prog_name="python tools/bench")
