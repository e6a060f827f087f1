"""The terminal view at 80 x 24, driven by keys."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import flowload as fl
from flowload.cli import main
from flowload.cli.bell import Bell
from flowload.graph import Graph
from flowload.observe.stats import RunStats

pytest.importorskip("textual", reason="the extra 'tui' is not installed")

from textual.widgets import ContentSwitcher, RichLog, Static

from flowload.cli.view.tui import LogLines, View

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def add(value: int) -> int:
    return value + 1


def graph() -> Graph:
    split = fl.source(lambda: iter(range(100))) >> fl.map(add, workers=2) >> fl.tee("a", "b")
    return fl.outputs(train=split["a"] >> fl.map(add, workers=1), valid=split["b"])


def moments(drawn: Graph, count: int) -> list[RunStats]:
    """Statistics of a run, batch by batch."""
    found: list[RunStats] = []
    with drawn.iterate(cpus=2) as run:
        for _ in range(count):
            next(run["train"])
            next(run["valid"])
            stats = run.stats()
            assert isinstance(stats, RunStats)
            found.append(
                stats._replace(elapsed=float(len(found) + 1))
            )  # a second apart, however long it took
    return found


def text(view: View, which: str = "#picture") -> str:
    return str(view.query_one(which, Static).content)


async def test_it_shows_the_numbers_of_the_last_moment_and_fits_80_by_24() -> None:
    drawn = graph()
    view = View(drawn, "pipe", Bell())
    async with view.run_test(size=(80, 24)) as pilot:
        for now in moments(drawn, 3):
            view.moment(now, {})
        await pilot.pause()
        lines = text(view).splitlines()
        assert lines[0].startswith(" pipe ")
        assert f"{now.delivered} samples" in lines[0]
        assert max(map(len, lines)) <= 80
        stations = [line for line in lines if set(line[:6]) & set("○●◌▼")]
        assert ["source" in stations[0], "map" in stations[1]] == [True, True]
        assert sum("▼" in line for line in stations) == 2
        assert f"{now.delivered} samples" in text(view, "#books")
        assert view.query_one("#scroll").size.height >= len(stations)


async def test_keys_choose_a_stage_and_its_details() -> None:
    drawn = graph()
    view = View(drawn, "pipe", Bell())
    async with view.run_test(size=(80, 30)) as pilot:
        now = moments(drawn, 2)[-1]
        view.moment(now, {})
        await pilot.press("down", "down")
        assert view.query_one(ContentSwitcher).current == "details"
        stage = now.stages["map"]
        details = text(view, "#stage")
        assert details.startswith("map\n")
        assert f"{stage.in_:,} = {stage.out:,} + 0 + {stage.held:,}" in details
        await pilot.press("up")
        assert text(view, "#stage").startswith("source\n")
        await pilot.press("escape")
        assert view.query_one(ContentSwitcher).current == "run"
        await pilot.press("d")
        assert "ledger: in = out + dropped + held" in text(view, "#drops")
        await pilot.press("d")
        assert view.query_one(ContentSwitcher).current == "run"


async def test_the_details_stand_beside_the_picture_where_there_is_room() -> None:
    drawn = graph()
    view = View(drawn, "pipe", Bell())
    async with view.run_test(size=(160, 40)) as pilot:
        view.moment(moments(drawn, 2)[-1], {})
        await pilot.press("down")
        assert view.query_one("#side").display
        assert text(view, "#beside").startswith("source\n")
        assert max(map(len, text(view).splitlines())) <= 160 - 44


async def test_pausing_and_looking_back_hold_the_picture_and_nothing_is_lost() -> None:
    drawn = graph()
    view = View(drawn, "pipe", Bell())
    several = moments(drawn, 6)
    async with view.run_test(size=(80, 24)) as pilot:
        for now in several[:3]:
            view.moment(now, {})
        await pilot.press("p")
        view.moment(several[3], {})
        assert f"{several[2].delivered} samples" in text(view)
        assert "paused" in text(view)
        await pilot.press("p")
        assert f"{several[3].delivered} samples" in text(view)
        await pilot.press("left")
        assert f"{several[1].delivered} samples" in text(view)
        assert "s ago" in text(view)
        view.moment(several[4], {})
        assert f"{several[1].delivered} samples" in text(view)
        await pilot.press("escape")
        assert f"{several[4].delivered} samples" in text(view)
        await pilot.press("right_square_bracket")
        assert view.span == 300.0


async def test_log_lines_come_from_any_thread() -> None:
    view = View(graph(), "pipe", Bell())
    logger = logging.getLogger("flowload.test-tui")
    handler = LogLines(view.lines)
    logger.addHandler(handler)
    async with view.run_test(size=(80, 24)) as pilot:
        logger.warning("[red]careful[/red]")
        await pilot.press("l")
        view.show_log()
        await pilot.pause()
        assert view.query_one(ContentSwitcher).current == "log"
        assert "[red]careful[/red]" in "".join(str(line.text) for line in view.query_one(RichLog).lines)
    logger.removeHandler(handler)


async def test_leaving_rings_the_bell_and_the_end_stays_until_then() -> None:
    bell = Bell()
    view = View(graph(), "pipe", bell)
    async with view.run_test(size=(80, 24)) as pilot:
        view.moment(moments(graph(), 1)[0], {})
        view.ended("finished")
        await pilot.pause()
        assert "over: finished; q leaves" in text(view)
        await pilot.press("q")
    assert bell.wait(0) == "interrupted"


@pytest.mark.slow
def test_the_view_is_not_imported_unless_it_is_asked_for() -> None:
    extras = "{'textual', 'resvg_py', 'prometheus_client', 'http.server'}"
    code = f"import sys, flowload.cli; assert not {extras} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_textual_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setitem(sys.modules, "flowload.cli.view.tui", None)
    monkeypatch.setattr(Console, "is_terminal", True)
    errors: list[Any] = []
    monkeypatch.setattr("click.echo", lambda line, err=False: errors.append(line))
    assert main(["run", count, "--tui"]) == 1
    assert "pip install 'flowload[tui]'" in errors[0]


async def test_nothing_that_is_shown_is_obeyed_by_the_terminal() -> None:
    evil = "[red]\x1b[31m\x1b]0;PWNED\x07"
    rows = fl.source(lambda: ({"x": np.zeros(4)} for _ in range(3)))
    drawn = rows >> fl.filter(lambda batch: batch["x"] > 1, reason=evil)
    with drawn.iterate() as run:
        assert not list(run)
        last = run.stats()
    view = View(drawn, evil, Bell())
    async with view.run_test(size=(120, 40)) as pilot:
        assert text(view) == r"[red]\x1b[31m\x1b]0;PWNED\x07"
        view.moment(last, {})
        await pilot.press("down", "down", "d")
        await pilot.pause()
        shown = [text(view, which) for which in ("#picture", "#stage", "#drops", "#books")]
    assert "\x1b" not in "".join(shown)
    assert shown[0].startswith(r" [red]\x1b[31m")
    assert all(r"[red]\x1b[31m" in part for part in shown[1:3])
