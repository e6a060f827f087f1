"""`python tools/whatif FILE`: every stage of a pipeline alone, with 1 to n workers, and which would help.

    python tools/whatif chess --seconds 10
    python tools/whatif pipelines/games.py --batch-size 4096 --json found.json

`flowload profile` reckons from a run what the whole would gain; this measures. It runs the whole for a while,
keeps what goes into each stage, and gives it to that stage alone. Near the limit of the CPUs it is
optimistic: calls slow each other down.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.whatif.command import main  # noqa: E402 - the path first

if __name__ == "__main__":
    sys.exit(main())
