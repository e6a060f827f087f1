from __future__ import annotations

import io

import pytest
from rich.console import Console

from flowload.cli.view.screen import LiveScreen, PlainScreen, make_screen
from tests.observe.moments import moment, stage

FIRST = moment(stage(out=1), elapsed=1.0, finished=False)
LAST = moment(stage("read", in_=77, out=77), elapsed=2.0, delivered=77, blocks_delivered=7)


def terminal(out: io.StringIO) -> Console:
    return Console(file=out, force_terminal=True, width=80, height=24, color_system=None, _environ={})


@pytest.mark.parametrize(
    ("console", "plain", "kind"),
    [
        (Console(force_terminal=True, _environ={"TERM": "xterm"}), False, LiveScreen),
        (Console(force_terminal=True, _environ={"TERM": "xterm"}), True, PlainScreen),
        (Console(force_terminal=True, _environ={"TERM": "dumb"}), False, PlainScreen),
        (Console(file=io.StringIO()), False, PlainScreen),
    ],
)
def test_the_live_table_needs_a_terminal(console: Console, plain: bool, kind: type) -> None:
    assert type(make_screen(console, plain=plain)) is kind


def test_plain_is_a_line_a_moment_then_the_table() -> None:
    out = io.StringIO()
    screen = PlainScreen(Console(file=out))
    screen.paint(FIRST, {"out": 0})
    screen.close(LAST, {"out": 7})
    screen.say(["bye [red]"])
    lines = out.getvalue().splitlines()
    assert lines[0] == "   1.0 s  0 batches, 0 samples, 0/s; busiest: read 0 %"
    assert lines[1:3] == ["", "stage  in  out  rate  busy  queue  dropped"]
    assert lines[-2:] == ["7 batches, 77 samples in 2.0 s: 38/s", "bye [red]"]
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(("elapsed", "tick"), [(2.0, 2.0), (100.0, 5.0), (86400.0, 60.0)])
def test_a_long_run_does_not_fill_the_log(elapsed: float, tick: float) -> None:
    screen = PlainScreen(Console(file=io.StringIO()))
    assert screen.tick == 2.0
    screen.paint(FIRST._replace(elapsed=elapsed), {"out": 0})
    assert screen.tick == tick


def test_a_short_run_shows_only_the_table() -> None:
    out = io.StringIO()
    PlainScreen(Console(file=out)).close(LAST, {"out": 7})
    assert out.getvalue().startswith("stage")


def test_plain_leaves_nothing_of_a_run_that_never_was() -> None:
    out = io.StringIO()
    PlainScreen(Console(file=out)).close(None, {})
    assert out.getvalue() == ""


def test_the_live_table_is_painted_over_and_its_last_state_stays() -> None:
    out = io.StringIO()
    screen = LiveScreen(terminal(out))
    screen.paint(FIRST, {"out": 0})
    screen.paint(FIRST, {"out": 0})
    screen.close(LAST, {"out": 7})
    text = out.getvalue()
    assert "\x1b[1A" in text  # the cursor went up
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # hidden, and shown again
    assert "7 batches, 77 samples in 2.0 s" in text.rpartition("\x1b[?25h")[0]


def test_a_live_table_that_was_never_painted_is_printed_once() -> None:
    out = io.StringIO()
    LiveScreen(terminal(out)).close(LAST, {"out": 7})
    assert out.getvalue().count("read") == 1
    assert "\x1b[1A" not in out.getvalue()


def test_a_live_table_of_a_run_that_never_was_is_wiped() -> None:
    out = io.StringIO()
    screen = LiveScreen(terminal(out))
    screen.paint(FIRST, {"out": 0})
    screen.close(None, {})
    assert out.getvalue().endswith("\x1b[2K")  # erase line


def test_lines_beneath_the_live_table_are_not_wrapped() -> None:
    out = io.StringIO()
    LiveScreen(terminal(out)).say(["x" * 200 + "[red]"])
    assert out.getvalue() == "x" * 200 + "[red]\n"
