"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flowload.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Lines of the shell blocks."""
    return [line for block in blocks("sh") for line in block.splitlines() if line]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a clone to whoever reads pipelines, and may be written to."""
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_python_of_the_readme_runs_from_top_to_bottom(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(blocks("python")) > 5
    names: dict[str, Any] = {"__name__": "readme"}
    for number, block in enumerate(blocks("python")):
        before = README.partition(block)[0].count("\n")  # so that a traceback points into the README
        exec(compile("\n" * before + block, f"README.md block {number}", "exec", dont_inherit=True), names)
    told = capsys.readouterr().out
    assert "'discover' gives Files, but 'batch' takes Frames or Batch" in told
    assert [array.tolist() for array in names["squares"][3:]] == [[[9, 9]] * 8]
    assert sum(map(len, names["thinned"])) == 11


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("flowload")])
def test_the_commands_of_the_readme_work(line: str, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)[1:]) == 0
    captured = capsys.readouterr()
    assert captured.out
    assert captured.err == ""


def test_the_set_up_of_the_readme_is_what_ci_does() -> None:
    run, test = (line for line in commands() if line.startswith("python"))
    assert run.endswith(" && pip install -c constraints.txt -e . && flowload run pipelines/chess.py")
    steps = test.split(" && ")
    assert steps[0] == "python3 -m venv .venv"
    script = (ROOT / ".ci" / "run").read_text()
    install, check = steps[2:]
    assert f"\n{install} || exit 1\n" in script
    assert f'\nstep "tests" {check} --hammers "$hammers"\n' in script
    assert 'step "command" flowload run pipelines/chess.py\n' in script


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_dependency_is_pinned() -> None:

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for names in extras.values() for name in names)]
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    names = [re.split(r"[<>=!~\[; ]", name)[0] for name in wanted]
    assert [name for name in names if name not in pins and name != "flowload"] == []
    assert all(re.fullmatch(r"[\d.]+(post\d+)?", version) for version in pins.values())
