"""`python tools/architecture` draws docs/architecture.svg anew: the rooms of the package, layer by layer."""

from __future__ import annotations

import sys
from pathlib import Path

# Started as a folder, which thereby is first on the path: its file names are words that anybody may import.
ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from tools.architecture.drawing import draw  # noqa: E402 - the path first
from tools.architecture.rooms import layers_of  # noqa: E402

if __name__ == "__main__":
    target = ROOT / "docs" / "architecture.svg"
    target.write_text(draw(layers_of(ROOT)), encoding="utf-8")
    print(target)
