from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from flowload.cli.logs import logging_to
from flowload.observe.preparation import LOGGER

log = logging.getLogger("flowload.some.stage")
EVERY = ["DEBUG", "INFO", "WARNING"]


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [(0, ["WARNING"]), (1, ["INFO", "WARNING"]), (2, EVERY), (9, EVERY)],
)
def test_more_v_means_more_lines(verbosity: int, levels: list[str]) -> None:
    out = io.StringIO()
    with logging_to(Console(file=out), verbosity):
        log.debug("a")
        log.info("b")
        log.warning("c")
    assert [line.split()[2] for line in out.getvalue().splitlines()] == levels


def test_a_line_names_its_logger() -> None:
    out = io.StringIO()
    with logging_to(Console(file=out), 0):
        log.warning("3 chunks of %s were skipped", "a.tar")
    assert out.getvalue().endswith("WARNING flowload.some.stage: 3 chunks of a.tar were skipped\n")


def test_on_a_terminal_brackets_stay_what_they_are() -> None:
    out = io.StringIO()
    with logging_to(Console(file=out, force_terminal=True, width=100, color_system=None), 0):
        log.warning("bad [red]name[/]")
    assert "flowload.some.stage: bad [red]name[/]" in out.getvalue()


def test_logging_is_afterwards_as_it_was() -> None:
    logger = logging.getLogger("flowload")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with logging_to(Console(file=io.StringIO()), 2):
        assert len(logger.handlers) == len(before[2]) + 1
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_a_long_preparation_is_told_without_v_and_not_afterwards() -> None:
    out = io.StringIO()
    waiting = logging.getLogger(LOGGER)
    before = waiting.level
    with logging_to(Console(file=out), 0):
        waiting.info("games: packing: 1 of 2 positions")
    assert waiting.level == before
    assert out.getvalue().endswith("INFO flowload.progress: games: packing: 1 of 2 positions\n")
