"""Log lines on stderr: warnings and long preparations always, more with -v and -vv."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler

from flowload.observe.preparation import LOGGER as PREPARATIONS

__all__ = ["logging_to"]

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@contextmanager
def logging_to(console: Console, verbosity: int) -> Iterator[None]:
    """While inside, flowload's log lines go to this console.

    On a terminal that must be the console of the live table too, so that lines scroll by above it.
    """
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, omit_repeated_times=False)
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    else:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("flowload")
    level, propagate = logger.level, logger.propagate
    logger.setLevel(LEVELS[min(verbosity, len(LEVELS) - 1)])
    logger.propagate = False
    waiting = logging.getLogger(PREPARATIONS)  # whoever waits is told what for, without -v as well
    its_level = waiting.level
    waiting.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        waiting.setLevel(its_level)
        logger.propagate = propagate
