"""A page of scenes, and browsers that look at it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowload.picture.record.tape import Kept
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.web.board import Board, Boards
from flowload.picture.web.server import Server, serve_boards


class Told:
    """A run on a page that a test tells what it is."""

    def __init__(self, rails: Rails, moments: Sequence[Moment] = (), title: str = "test") -> None:
        self.rails: Rails | None = rails
        self.title = title
        self.ended = False
        self.silent = 0.0
        self.moments = list(moments)

    @property
    def last(self) -> int:
        return len(self.moments)

    def since(self, number: int) -> list[Kept[bytes]]:
        rows = list(enumerate(self.moments, 1))
        return [Kept(k, json.dumps(moment).encode()) for k, moment in rows if k > number]

    def gone(self) -> float:
        return self.silent

    def ask(self, what: str) -> tuple[bytes, str]:
        if what == "stats.json":
            return b"{}", "application/json"
        raise LookupError("the run is over")


class Pages:
    """A server whose boards a test fills."""

    def __init__(self) -> None:
        self.boards = Boards()
        self.server: Server = serve_boards(self.boards)
        self.url = self.server.url

    def show(self, *runs: Told, labels: Sequence[str] = (), notes: Sequence[str] = ()) -> str:
        """The address of a page with these runs."""
        board = Board(runs[0].title, runs, labels, notes)
        self.boards.add(board)
        return f"{self.url}?board={board.key}"


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    made = Pages()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")  # while it is open, this thread has an event loop that runs
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        if chromium is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip("there is no browser")
        quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        opened = driver.chromium.launch(executable_path=chromium, args=quiet)
        yield opened
        opened.close()


class Tab:
    """A tab of a browser, and all that it complains of."""

    def __init__(self, browser: Any, **how: Any) -> None:
        self.page = browser.new_page(**how)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    made = Tab(browser, viewport={"width": 1280, "height": 950})
    yield made
    made.page.close()
    assert made.complaints == []
