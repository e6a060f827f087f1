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

from textual.widgets import ContentSwitcher, DataTable, RichLog, Static

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
            found.append(stats)
    return found


def text(view: View, which: str) -> str:
    return str(view.query_one(which, Static).content)


async def test_it_shows_the_numbers_of_the_last_moment_and_fits_80_by_24() -> None:
    drawn = graph()
    seen = moments(drawn, 3)
    view = View(drawn, "pipe", Bell())
    async with view.run_test(size=(80, 24)) as pilot:
        for moment in seen:
            view.moment(moment, {"train": 3, "valid": 3})
        await pilot.pause()
        table = view.query_one(DataTable)
        assert [str(table.get_row(name)[0]) for name in view.rows] == [
            "source",
            "↓ map",
            "↓ tee",
            "↳ map_2 < tee.a",
        ]
        last = seen[-1].stages["map"]
        assert str(table.get_row("map")[4]) == "0"
        books = next(line for line in text(view, "#drops").splitlines() if line.startswith("map "))
        assert books.split()[1:4] == [f"{last.in_:,}", "=", f"{last.out:,}"]
        assert "6 batches" in text(view, "#head")
        assert "limit" in text(view, "#verdict")
        for widget in view.screen.query("*"):
            if widget.display and widget.region.area:
                assert widget.region.right <= 80
        assert view.query_one("Footer").region.bottom == 24
        assert view.query_one("#lower").region.height >= 6


async def test_keys_pick_stages_and_parts() -> None:
    drawn = graph()
    view = View(drawn, "pipe", Bell())
    async with view.run_test(size=(80, 24)) as pilot:
        view.moment(moments(drawn, 1)[0], {})
        await pilot.pause()
        assert text(view, "#details").startswith("source, its rate above")
        await pilot.press("down")
        assert text(view, "#details").startswith("map, its rate above")
        assert "in = out + dropped + held" in text(view, "#details")
        for key, part in (("d", "lost"), ("l", "log"), ("s", "stage")):
            await pilot.press(key)
            assert view.query_one(ContentSwitcher).current == part
        assert "nothing was dropped" in text(view, "#drops")


async def test_a_paused_view_stands_still() -> None:
    drawn = graph()
    one, two = moments(drawn, 2)
    view = View(drawn, "pipe", Bell())
    async with view.run_test(size=(80, 24)) as pilot:
        view.moment(one, {})
        await pilot.press("p")
        view.moment(two, {})
        assert view.moments[-1] is one
        await pilot.press("p")
        view.moment(two, {})
        assert view.moments[-1] is two


async def test_log_lines_of_any_thread_are_shown() -> None:
    view = View(graph(), "pipe", Bell())
    async with view.run_test(size=(80, 24)) as pilot:
        await pilot.press("l")
        record = logging.LogRecord("flowload", logging.WARNING, "x.py", 1, "unpack: skipped %d", (3,), None)
        LogLines(view.lines).emit(record)
        view.show_log()
        await pilot.pause()
        log = view.query_one(RichLog)
        assert any("WARNING unpack: skipped 3" in line.text for line in log.lines)


async def test_leaving_rings_the_bell_and_the_end_stays_until_then() -> None:
    bell = Bell()
    view = View(graph(), "pipe", bell)
    async with view.run_test(size=(80, 24)) as pilot:
        view.moment(moments(graph(), 1)[0], {})
        view.ended("finished")
        await pilot.pause()
        assert text(view, "#head").startswith("pipe (over: finished; q leaves): ")
        await pilot.press("q")
    assert bell.wait(0) == "interrupted"


@pytest.mark.slow
def test_the_view_is_not_imported_unless_it_is_asked_for() -> None:
    extras = "{'textual', 'pygraphviz', 'prometheus_client'}"
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
        assert str(view.query_one("#head", Static).render()) == r"[red]\x1b[31m\x1b]0;PWNED\x07"
        view.moment(last, {})
        await pilot.press("down", "d")
        await pilot.pause()
        shown = [text(view, which) for which in ("#head", "#verdict", "#details", "#drops")]
    assert "\x1b" not in "".join(shown)
    assert shown[0].startswith(r"[red]\x1b[31m")
    assert all(r"[red]\x1b[31m" in part for part in shown[2:])
