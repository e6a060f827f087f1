"""`python tools/simulate FILE`: what trainers, data nodes, networks and stores would make of a pipeline.

    python tools/simulate chess --layout bits --trainers 1,8,64,256 --stored 100TB --demand 20000
    python tools/simulate chess --data-nodes 16 --cut reservoir --trainers 256
    python tools/simulate chess --check

It runs the pipeline for a while to learn what a sample costs in each stage, and reckons with that. `--check`
compares what it reckons for one, two and four processes on this machine with what they reach.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.simulate.command import main  # noqa: E402 - the path first

if __name__ == "__main__":
    sys.exit(main())
