"""`flowload new FILE`: a pipeline file of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowload.cli import main
from flowload.sample import sample_names, sample_path

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", sample_names())
def test_it_is_a_copy_that_can_be_shown(name: str, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "mine.py"
    assert main(["new", str(file), "--like", name]) == 0
    assert capsys.readouterr().out == f"{file} is the pipeline {name}; try: flowload run {file} --help\n"
    assert main(["show", str(file)]) == 0
    mine = capsys.readouterr().out
    assert main(["show", name]) == 0
    assert capsys.readouterr().out == mine


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["there.py"], "there.py is there already; name a new file"),
        (["mine.txt"], "mine.txt: a pipeline file is a Python file; wanted a name that ends in .py"),
        (["mine.py", "--like", "ches"], "--like ches: no such pipeline; there are chess, games"),
        (["no/mine.py"], "no/mine.py: No such file or directory"),
    ],
)
def test_what_it_refuses(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("mine")
    assert main(["new", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.py", "mine")]


@pytest.mark.slow
def test_run_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "games", "--batches", "1", "--packed", str(tmp_path / "packed")]) == 0
    assert "1 batch" in capsys.readouterr().out


def test_a_pattern_that_the_shell_has_expanded(tmp_path: Path, capsys: Capture) -> None:
    tars = sorted(map(str, sample_path("chess").glob("*.tar")))
    assert len(tars) == 2
    assert main(["run", "chess", "--data", *tars, "--batches", "1", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"discover\s+2 ", out), out
    assert main(["run", "chess", "--batch-size", "3", "4"]) == 2
    assert "unexpected extra argument (4)" in capsys.readouterr().err


@pytest.mark.slow
def test_the_module_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flowload", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("flowload ")
