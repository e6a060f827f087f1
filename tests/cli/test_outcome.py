from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import flowload as fl
from flowload.cli.drive import Bounds, Drive, Ended
from flowload.cli.outcome import closing, fill, perform
from flowload.cli.parsing.command import Drawing
from flowload.cli.sheet import Sheet
from flowload.cli.view.screen import PlainScreen
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.graph.pipelines.load import pipeline
from tests.observe.moments import moment, stage


@pipeline
def draw(*, number: int = 3) -> Graph:
    return fl.source(lambda: iter(range(number)))


def made(ended: Ended, *, lost: int = 0, finished: bool = True) -> Drive:
    screen = PlainScreen(Console(file=io.StringIO()))
    drive = Drive(draw(), RunOrder(), screen, Bounds(batches=1000, seconds=1.5))
    drive.ended = ended
    drive.stats = moment(stage(in_=10 + lost, out=10), finished=finished)
    return drive


@pytest.mark.parametrize(
    ("drive", "line"),
    [
        (made("finished"), "The stream ended by itself; every sample is accounted for."),
        (made("finished", lost=1), "The stream ended by itself; THE LEDGER DOES NOT BALANCE."),
        (made("batches"), "Stopped after 1,000 batches, as asked; every sample is accounted for."),
        (made("seconds", finished=False), "Stopped after 1.5 s, as asked; what was under way was let go."),
        (made("interrupted", finished=False), "The run was interrupted; what was under way was let go."),
        (made("failed", finished=False), "The run failed; what was under way was let go."),
    ],
)  # fmt: skip
def test_the_last_line_says_why_it_ended_and_whether_it_adds_up(drive: Drive, line: str) -> None:
    assert closing(drive) == line


def test_the_last_line_says_how_many_samples_had_missing_data() -> None:
    drive = made("finished")
    drive.stats = moment(stage(in_=9, out=9, missing=2), stage("windows", in_=4, out=4, missing=1))
    assert closing(drive) == (
        "The stream ended by itself; every sample is accounted for; 3 samples had missing data, filled."
    )


def test_what_cannot_begin_leaves_a_clean_screen() -> None:
    out = io.StringIO()
    drive = Drive(fl.map(dict), RunOrder(), PlainScreen(Console(file=out)))
    with pytest.raises(GraphError, match="nothing flows into 'map'"):
        perform(drive, verbose=False)
    assert out.getvalue() == ""


def test_a_run_without_statistics_leaves_the_sheet_alone() -> None:
    sheet, drive = Sheet(), made("finished")
    drive.stats = None
    fill(sheet, drive, Drawing(Path("x.py"), draw))
    assert sheet.content is None


def test_the_sheet_has_the_statistics_and_what_was_run() -> None:
    sheet = Sheet()
    fill(sheet, made("finished"), Drawing(Path("x.py"), draw, {"number": 7}))
    assert sheet.content is not None
    assert sheet.content["stages"]["read"]["in"] == 10
    assert sheet.content["run"]["options"] == {"number": 7}
    assert sheet.content["run"]["pipeline"] == "draw"
