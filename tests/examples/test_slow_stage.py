"""The three slow runs of the documentation, of which the page runs one: each is told, before and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.slow_stage import main


@pytest.mark.hammer
@pytest.mark.parametrize("case", ["disk", "lock", "trainer"])
def test_a_slow_run_is_told(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([case, "--seconds", "1.2", "--folder", str(tmp_path), "--rows", "4096"]) == 0
    before, after = capsys.readouterr().out.splitlines()
    assert "the limit is the " in before
    assert "samples/s" in after
    if case == "lock":  # whether by the lock or by the CPUs, on a busy machine nobody can say
        assert "above all 'map'" in before
    if case == "trainer":
        assert "the limit is the consumer" in before
    assert {path.name for path in tmp_path.iterdir()} == ({"slow_stage.npy"} if case == "disk" else set())
