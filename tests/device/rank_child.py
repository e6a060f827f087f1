"""`tools/gpu_check/rank_child.py` on a simulated card: what `python tools/gpu_check` starts, in its place."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pytest

from tests.device.simulated.cards import Cards
from tests.device.simulated.patches import install
from tests.device.simulated.torch_cuda import install_rest
from tools.gpu_check import rank_child

if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        cards = install(Cards(mode="random"), patch)
        install_rest(cards, patch)
        rank_child.main(*sys.argv[1:])
        cards.synchronize()
        sys.exit(f"{cards.faults}" if cards.faults else 0)
