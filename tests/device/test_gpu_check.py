"""The script that tries a card, on a simulated one: its checks run there, pass, and find what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.device.conftest import Install
from tests.device.simulated.cards import Cards
from tests.device.simulated.torch_cuda import install_rest
from tools.gpu_check import trainers
from tools.gpu_check.bench import DRY, Bench
from tools.gpu_check.card import Card
from tools.gpu_check.checks import CHECKS
from tools.gpu_check.findings import Finding

SIZES = DRY._replace(rows=1500, width=8, batch=100, fast_rows=640, fast_width=16, cycles=24, steps=8)


MARKS = {"ranks": [pytest.mark.hammer], "elsewhere": [pytest.mark.slow]}


@pytest.fixture
def card(cards: Install, monkeypatch: pytest.MonkeyPatch) -> Cards:
    made = cards(mode="random")
    install_rest(made, monkeypatch)
    monkeypatch.setattr("flowload.stages.device.to_device.may_have_gpu", lambda: True)
    monkeypatch.setattr(trainers, "CHILD", Path(__file__).with_name("rank_child.py"))
    return made


def findings(name: str, card: Cards, folder: Path) -> list[Finding]:
    bench = Bench(Card(torch.device("cuda", 0)), folder, sizes=SIZES)
    with bench.locks.watched():
        found = list(CHECKS[name](bench))
    card.synchronize()
    return found


@pytest.mark.filterwarnings("ignore:CUDA is not available:UserWarning")  # autocast
@pytest.mark.parametrize(
    "name",
    # Two ranks are two processes that import torch, and tests/adapters has them too.
    [pytest.param(name, marks=MARKS.get(name, [])) for name in CHECKS],
)
def test_it_passes(name: str, card: Cards, tmp_path: Path) -> None:
    found = findings(name, card, tmp_path)
    assert found
    failed = [finding.line() for finding in found if finding.ok is False]
    assert not failed or name == "overlap"  # of which a clock is the judge: here it only has to run
    assert not [fault for fault in card.faults if not (name == "capture" and fault.endswith("a capture"))]
