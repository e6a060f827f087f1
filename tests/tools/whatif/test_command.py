"""The command: every stage has a ceiling, in words and in numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench.measuring.settings import ROOT
from tools.whatif.command import main


@pytest.mark.hammer
def test_every_stage_of_the_chess_pipeline_has_a_ceiling(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sheet = tmp_path / "found.json"
    small = ["--device", "cpu", "--pool", "20", "--reservoir", "200", "--batch-size", "64"]
    assert main(["chess", *small, "--seconds", "1", "--json", str(sheet)]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[:2] == ["the whole, for 1 s", "read: alone"]
    stages = ["discover", "read", "shard", "shuffle_pool", "unpack", "reservoir", "batch", "to_device"]
    assert [line.split()[0] for line in told.out.splitlines()[1:9]] == stages
    assert "\nchange: " in told.out
    rows = {row["name"]: row for row in json.loads(sheet.read_text())["prospects"]}
    assert [row["measured"] for row in rows.values()] == [name != "discover" for name in stages]
    assert all(row["ceiling"] > 0 for row in rows.values())
    assert sum(row["cpu_share"] for row in rows.values()) == pytest.approx(1.0)
    assert set(rows["unpack"]["ceilings"]) >= {"1"}


@pytest.mark.slow
def test_a_mistake_is_one_line_and_status_2() -> None:
    words = [sys.executable, "tools/whatif", "none.py"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("flowload: no pipeline file none.py")
    assert len(done.stderr.splitlines()) == 1
