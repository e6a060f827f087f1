"""`python tools/mutants FILES`: plant one small bug at a time, and see which the tests let live.

    python tools/mutants flowload/runtime --count 20 --seed 0
    python tools/mutants flowload/stages/batches/rebatch.py --count 10 --tests tests/stages
    python tools/mutants flowload/runtime/channel.py --list

A bug is one operator, constant, condition or statement of the code itself: never of a docstring, a message,
an annotation, an assertion, or a figure with a name of its own. Those that are tried are chosen by the seed
among all that could be planted. Each is planted in a copy of the tree, in a temporary folder that is deleted
at the end, so nothing here is touched, and a run that is interrupted leaves nothing behind. Without
`--tests`, the tests that belong to a file are those of its folder (`tests/runtime` for `flowload/runtime`),
its own (`test_channel.py`) first.

    killed    a test failed: the bug would have been noticed
    timeout   the tests took far too long (a loop without end, a wait for ever), which is noticed, too
    SURVIVED  all tests passed: a test is missing, or the code does not matter

The exit status is 0 if none survived, 1 if one did, 2 if the tests fail without any bug.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.mutants.command import main  # noqa: E402 - the path first

if __name__ == "__main__":
    sys.exit(main())
