"""Pipelines that ship with flowload are called by their names, from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.graph.pipelines import shipped
from flowload.graph.pipelines.shipped import shipped_pipelines
from flowload.sample import sample_names

ROOT = Path(__file__).parents[3]


def test_each_has_a_sample() -> None:
    assert list(shipped_pipelines()) == sample_names()
    assert all(path.parent == ROOT / "pipelines" for path in shipped_pipelines().values())


@pytest.mark.parametrize("name", sample_names())
def test_a_name_draws_it_from_any_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()  # a folder of data hides no pipeline
    assert fl.load(name, batch_size=7) == fl.load(ROOT / f"pipelines/{name}.py", batch_size=7)


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/chess.py").write_text("x = 1")
    (tmp_path / "pipelines/__init__.py").touch()
    monkeypatch.setattr(shipped, "INSTALLED", tmp_path / "pipelines")
    assert shipped_pipelines() == {"chess": tmp_path / "pipelines/chess.py"}


def test_a_folder_of_that_name_beside_a_package_is_somebody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/other.py").touch()
    monkeypatch.setattr(shipped, "CLONE", tmp_path)
    assert shipped_pipelines() == {}


def test_what_is_none_says_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        GraphError, match=r"ches is not a pipeline file; .*\(\.py\); those that ship .* chess, games"
    ):
        fl.load("ches")
    with pytest.raises(
        GraphError, match=r"no pipeline file pipelines/chess\.py: .*is called by its name, chess"
    ):
        fl.load("pipelines/chess.py")
    with pytest.raises(GraphError, match=r"no pipeline file mine\.py: No such file or directory$"):
        fl.load("mine.py")
