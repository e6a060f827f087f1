from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from flowload.cli import main

Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    status = main(["show", *argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_text_shows_the_flow_and_the_memory(count: str, capsys: Capture) -> None:
    status, out, err = told(capsys, count)
    assert (status, err) == (0, "")
    picture, _, memory = out.partition("memory at most, with ")
    lines = picture.splitlines()
    assert lines[0].startswith("source")
    assert any(line.startswith("map") and "workers=2" in line for line in lines)
    assert memory.splitlines()[-1].startswith("total")


def test_nothing_is_run(write: Callable[..., str], capsys: Capture) -> None:
    body = """
    def never():
        raise RuntimeError("it ran")
        yield

    @fl.pipeline
    def draw():
        return fl.source(never)
    """
    assert told(capsys, write(body))[0] == 0


@pytest.mark.parametrize(("style", "start"), [("dot", "digraph"), ("mermaid", "flowchart")])
def test_pictures_are_those_of_the_graph(count: str, capsys: Capture, style: str, start: str) -> None:
    status, out, _ = told(capsys, count, "--format", style)
    assert status == 0
    assert out.startswith(start)
    assert "map" in out


def test_json_is_the_description_and_the_memory(count: str, capsys: Capture) -> None:
    content = json.loads(told(capsys, count, "--format=json")[1])
    assert [row["name"] for row in content["nodes"]] == ["source", "map"]
    assert content["memory"]["total"] >= 0


def test_options_change_the_drawing(write: Callable[..., str], capsys: Capture) -> None:
    body = """
    @fl.pipeline
    def draw(*, twice: bool = False):
        graph = fl.source(batches(1, 1)) >> fl.map(dict)
        return graph >> fl.map(dict) if twice else graph
    """
    path = write(body)
    assert "map_2" not in told(capsys, path)[1]
    assert "map_2" in told(capsys, path, "--twice")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "svg"], "Invalid value for '--format'"),
        (["--number", "x"], "number is 'x'"),
        (["--batches", "3"], "no option --batches"),
    ],
)
def test_mistakes_are_status_2(count: str, capsys: Capture, words: list[str], message: str) -> None:
    status, out, err = told(capsys, count, *words)
    assert (status, out) == (2, "")
    assert message in err


def test_a_graph_that_cannot_be_run_is_refused(write: Callable[..., str], capsys: Capture) -> None:
    path = write("@fl.pipeline\ndef draw():\n    return fl.map(dict)\n")
    status, _, err = told(capsys, path)
    assert status == 2
    assert "nothing flows into 'map'" in err
