"""Pictures of one run: as a file, on its page, in a terminal."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from time import perf_counter
from typing import Any

import flowload as fl
from flowload.picture.painter import paint
from flowload.picture.record.sampler import Sampler, running
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.svg.palette import DARK
from flowload.picture.terminal import Screen, picture_lines

__all__ = ["page_shots", "picture_of", "terminal_shot"]

STEP = 0.0  #: seconds that the trainer takes for a batch
COLUMNS, LETTER, LINE = 100, 8.45, 18.0  #: of the terminal: columns, pixels of a letter and of a line


def read(batches: Any, seconds: float, photograph: Any = None) -> None:
    """Take batches as a trainer would; take the photograph when most of the time is over."""
    pause, began = threading.Event(), perf_counter()
    for _ in batches:
        if STEP:
            pause.wait(STEP)
        passed = perf_counter() - began
        if photograph is not None and passed > seconds * 0.9:
            photograph()
            photograph = None
        if passed > seconds:
            return


def sampled(graph: fl.Graph, title: str, seconds: float) -> tuple[Rails, list[Moment]]:
    """The moments of a run."""
    batches = graph.iterate(epochs=None)
    with Sampler(batches, title) as sampler, batches:
        read(batches, seconds)
    assert sampler.feed.rails is not None  # noqa: S101 - it has run
    return sampler.feed.rails, running(sampler.moments())


def picture_of(graph: fl.Graph, title: str, seconds: float, out: Path) -> None:
    """The picture as a file."""
    paint(*sampled(graph, title, seconds), out)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - for pictures of pages alone

    with sync_playwright() as driver:
        quiet = ["--no-sandbox", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=quiet)
        yield browser
        browser.close()


def page_shots(graph: fl.Graph, title: str, seconds: float, light: Path, dark: Path) -> None:
    """The page, in both themes."""
    with chromium() as browser, graph.iterate(epochs=None) as batches, fl.watch(batches, title=title) as page:
        tabs = []
        for theme, path in (("light", light), ("dark", dark)):
            tab = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme=theme)
            tab.goto(page.url)
            tabs.append((tab, path))

        def photograph() -> None:
            for tab, path in tabs:
                tab.wait_for_selector("#picture [data-row]")
                tab.screenshot(path=str(path))

        read(batches, seconds, photograph)


def terminal_shot(graph: fl.Graph, title: str, seconds: float, out: Path) -> None:
    """The terminal's letters in their colours, on a terminal's paper."""
    rails, moments = sampled(graph, title, seconds)
    last = len(moments) - 1
    lines = picture_lines(rails, moments, last, last, Screen(COLUMNS))
    roles = {**DARK, "strong": DARK["ink"], "": DARK["ink"], "pick": DARK["ink"]}
    words = "\n".join(
        "".join(f'<span style="color:{roles[piece.role]}">{escape(piece.text)}</span>' for piece in line)
        for line in lines
    )
    size = {"width": int(COLUMNS * LETTER) + 24, "height": int((len(lines) + 1) * LINE) + 16}
    style = f"margin:12px;background:{DARK['paper']};font:14px/{LINE}px 'DejaVu Sans Mono',monospace"
    with chromium() as browser:
        tab = browser.new_page(viewport=size)
        tab.set_content(f'<body style="{style}"><pre style="margin:0;font:inherit">{words}</pre>')
        tab.screenshot(path=str(out))
