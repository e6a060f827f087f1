"""Pictures as files: SVG, PNG, DOT, Mermaid; whole or not at all, with every name in them and none obeyed."""

from __future__ import annotations

import errno
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from flowload.cli.commands.graph import main
from flowload.errors import GraphError, MissingExtra
from flowload.picture.dot import to_dot
from flowload.picture.mermaid import to_mermaid
from flowload.picture.painter import FORMATS, check_path, paint
from flowload.picture.scene.rails import rails_of
from flowload.picture.svg.drawing import svg
from flowload.picture.svg.notation import notation
from flowload.picture.svg.wanted import Wanted
from flowload.sample import sample_path
from tests.picture.graphs import LONG, thirty, three
from tests.picture.scenes import scene_of

ROOT = Path(__file__).parents[2]
SCENES = {"three": scene_of(three(), 20, slow="add"), "thirty": scene_of(thirty(), 20, slow="step_1_2")}


def texts(made: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(made).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", SCENES)
def test_svg_is_well_formed_and_shows_every_name(name: str) -> None:
    scene = SCENES[name]
    made = svg(scene.rails, scene.moments, Wanted(980, head=True, foot=scene.moments[-1]["foot"]))
    found = texts(made)
    for row in scene.rails.rows:
        assert any(row.label.startswith(text.rstrip("…")) and len(text) > 2 for text in found), row.label
    assert any(text.startswith("The trainer") and "waits 60 %" in text for text in found)
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme:dark" in made
    assert "@media" not in svg(scene.rails, scene.moments, Wanted(980), themes=False)


@pytest.mark.parametrize("name", SCENES)
def test_dot_and_mermaid_have_every_row_and_link(name: str) -> None:
    scene = SCENES[name]
    dot, mermaid = to_dot(scene.rails, scene.moments[-1]), to_mermaid(scene.rails, scene.moments[-1])
    assert dot.count(" -> ") == len(scene.rails.links)
    assert mermaid.count("-->") + mermaid.count("==>") == len(scene.rails.links)
    for row in scene.rails.rows:
        assert row.label in dot or row.label == LONG
    assert "waits 60 %" in mermaid.replace("#8217;", "’")


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_written_whole(ending: str, tmp_path: Path) -> None:
    if ending == ".png":
        pytest.importorskip("resvg_py")
    scene = SCENES["three"]
    path = tmp_path / f"x{ending}"
    paint(scene.rails, scene.moments, path)
    begins = {".svg": b"<svg", ".png": b"\x89PNG", ".dot": b"digraph", ".gv": b"digraph"}.get(
        ending, b"flowchart"
    )
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]


def test_without_resvg_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    scene = SCENES["three"]
    with pytest.raises(MissingExtra, match=r"pip install 'flowload\[graphviz\]'"):
        paint(scene.rails, scene.moments, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    scene = SCENES["three"]
    with pytest.raises(OSError, match=r"No space left on device: '.*x\.svg'"):
        paint(scene.rails, scene.moments, tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["x.txt", "no/such/x.svg"])
def test_where_nothing_can_be_written_is_known_before(path: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"wanted a name that ends|no such folder"):
        check_path(tmp_path / path)
    (tmp_path / "x.svg").mkdir()
    with pytest.raises(GraphError, match="is a folder"):
        check_path(tmp_path / "x.svg")


@pytest.mark.parametrize("graph", [three(), thirty()])
def test_a_graph_that_does_not_run_has_its_notation(graph: Any) -> None:
    made = notation(rails_of(graph.describe(), "mine", 3 << 20))
    found = texts(made)
    count = sum(not row.output for row in rails_of(graph.describe()).rows)
    assert found[:2] == [f"mine: {count} stages", "at most 3.0 MiB"]
    assert len(re.findall("<circle", made)) == count


# ---- the command


@pytest.mark.slow
def test_the_command_draws_the_chess_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "chess.svg"
    words = ["--batches", "3", "--batch-size", "64", "--device", "cpu", "--data", str(sample_path("chess"))]
    monkeypatch.setattr("sys.argv", ["graphviz", "pipelines/chess.py", *words, "-o", str(out)])
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("tools/graphviz", run_name="__main__")
    assert not ended.value.code
    assert "unpack" in out.read_text()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pipelines/chess.py"], "wanted -o PATH, or --live"),
        (["pipelines/chess.py", "-o", "chess.txt"], "wanted a name that ends in .svg"),
        (["pipelines/chess.py", "-o", "no/such/x.svg"], "there is no such folder"),
        (["pipelines/chess.py", "-o", "x.svg", "--bach-size", "3"], "did you mean --batch-size?"),
        (["pipelines/none.py", "-o", "x.svg"], "no pipeline"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err
