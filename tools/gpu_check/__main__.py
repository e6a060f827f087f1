"""`python tools/gpu_check`: whether the way to a GPU is right, and how fast it is, on the card at hand."""

from __future__ import annotations

import faulthandler
import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.gpu_check.command import main  # noqa: E402 - the path first

HANGS = 720  #: seconds after which all threads tell where they are, and the process ends

if __name__ == "__main__":
    faulthandler.dump_traceback_later(HANGS, exit=True)  # what was found by then is in the file
    main(prog_name="python tools/gpu_check")
