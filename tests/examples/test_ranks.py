"""Two ranks under torchrun: they end together with the same net, also after an interruption."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

from tests.examples.one_rank import SCRIPTS

ROOT = Path(__file__).parents[2]


@pytest.mark.hammer
@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here")
def test_two_ranks(tmp_path: Path) -> None:
    script = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [*script, "-m", "tests.examples.one_rank", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert first.pop("threads") == []
    assert set(first) == set(SCRIPTS)
    for name, (whole, resumed, finished) in first.items():
        assert whole == resumed != finished
        lines = [json.loads(line) for line in (tmp_path / name / "pass/log.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines if any(word.startswith("valid") for word in line)] == [0]
    packed = {path.name for path in (tmp_path / "packed").rglob("*")}
    assert not [name for name in packed if "partial" in name or name.startswith(".")]
