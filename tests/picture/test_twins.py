"""One drawing in two languages: Python and the browser draw the same, letter by letter."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from flowload.picture.scene.rails_json import rails_json
from flowload.picture.svg.drawing import draw
from flowload.picture.svg.wanted import Wanted
from tests.picture.conftest import Pages, Told
from tests.picture.graphs import thirty, three
from tests.picture.scenes import scene_of

GRAPHS = {"three": three(), "thirty": thirty()}
WANTED = {
    "wide": Wanted(1200, height=800),
    "medium": Wanted(800, span=10),
    "narrow": Wanted(460, span=300),
    "without history": Wanted(700, history=False, head=True, foot="a < b"),
    "looked at": Wanted(1000, cursor=7.3, pick="add", head=True),
    "with a head": Wanted(600, head=True, foot="books", span=float("inf")),
}
DRAW = """async ([rails, moments, asked]) => {
    const { draw, WANTED } = await import("/drawing.js");
    return asked.map(([live, at, wanted]) => {
        if (wanted.span === null) wanted.span = Infinity;
        return draw(rails, moments, live, at, { ...WANTED, ...wanted }).made;
    });
}"""

pytestmark = pytest.mark.slow  # a browser is opened


@pytest.fixture(scope="module")
def drawing(browser: Any, pages: Pages) -> Any:
    tab = browser.new_page()
    scene = scene_of(GRAPHS["three"], 2)
    tab.goto(pages.show(Told(scene.rails, scene.moments)))
    yield tab
    tab.close()


CASES = [("three", end) for end in ("", "empty", "stalled", "failed", "over")] + [("thirty", "")]


@pytest.mark.parametrize(("graph", "end"), CASES)
def test_both_draw_the_same(graph: str, end: str, drawing: Any) -> None:
    slow = {"": "add", "over": "", "stalled": "cut"}.get(end, "") if graph == "three" else "step_1_2"
    scene = scene_of(GRAPHS[graph], 17, slow=slow, end=end)
    live = len(scene.moments) - 1
    ours, asked = [], []
    for wanted in WANTED.values():
        at = 14 if wanted.cursor >= 0 else live
        ours.append(draw(scene.rails, scene.moments, live, at, wanted)[0])
        asked.append([live, at, {**asdict(wanted), "span": wanted.span if wanted.span < 1e9 else None}])
    theirs = drawing.evaluate(DRAW, [rails_json(scene.rails), list(scene.moments), asked])
    assert ours == theirs


def test_both_keep_the_same_numbers_of_letters(drawing: Any) -> None:
    scene = scene_of(GRAPHS["three"], 5)
    labels = ["<&>\"'", "ß" * 60, "🙂" * 50, "a" * 200]
    rows = tuple(replace_label(row, label) for row, label in zip(scene.rails.rows, labels, strict=True))
    rails = replace(scene.rails, rows=rows)
    ours, _ = draw(rails, scene.moments, 4, 4, Wanted(900))
    asked = [[4, 4, asdict(Wanted(900))]]
    assert drawing.evaluate(DRAW, [rails_json(rails), list(scene.moments), asked]) == [ours]


def replace_label(row: Any, label: str) -> Any:
    return row._replace(label=label)
