"""The page in a real browser: it moves, travels, is worked by keys alone, and never overlaps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from flowload.picture.scene.saying import plain
from tests.picture.conftest import Pages, Tab, Told
from tests.picture.graphs import LONG, thirty, three
from tests.picture.scenes import ENDS, Scene, scene_of

SCENE = scene_of(three(), 40, slow="add")
BOXES = """() => [...document.querySelectorAll('#picture text')].map(t => {
    const b = t.getBoundingClientRect(), v = document.querySelector('#picture svg').getBoundingClientRect();
    return [b.left, b.top + 1, b.right, b.bottom - 1, t.textContent, v.left - 8, v.right + 8];
})"""
KEYS = "[...document.querySelectorAll('#picture [data-row]')].map(r => r.getAttribute('aria-label'))"

pytestmark = pytest.mark.slow  # a browser is opened


def opened(tab: Tab, pages: Pages, *runs: Told, more: str = "", **how: Any) -> Any:
    tab.page.goto(pages.show(*runs, **how) + more)
    tab.page.wait_for_selector("#picture [data-row]")
    return tab.page


def words(page: Any, selector: str) -> str:
    return " ".join(str(page.inner_text(selector)).split())


def test_it_shows_the_last_moment_and_goes_on(tab: Tab, pages: Pages) -> None:
    told = Told(SCENE.rails, SCENE.moments[:20])
    page = opened(tab, pages, told)
    assert words(page, "#head") == plain(SCENE.moments[19]["say"]["head"])
    assert page.locator("#picture [data-row]").count() == len(SCENE.rails.rows)
    told.moments.append(
        {**SCENE.moments[20], "top": {**SCENE.moments[20]["top"], "samples": "987,654 samples"}}
    )
    page.wait_for_selector("#clock:has-text('987,654 samples')")
    assert tab.asked
    assert all(address.startswith(pages.url) for address in tab.asked)


def test_the_numbers_are_those_of_the_statistics(tab: Tab, pages: Pages) -> None:
    page = opened(tab, pages, Told(SCENE.rails, SCENE.moments))
    now = SCENE.stats[-1]
    for k, row in enumerate(SCENE.rails.rows):
        if row.output:
            continue
        page.keyboard.press("Escape")
        page.click(f"#row{k}")
        stage = now.stages[row.name]
        books = f"{stage.in_:,} = {stage.out:,} + {sum(stage.dropped.values()):,} + {stage.held:,}"
        assert books in words(page, "#side")
        assert f"{stage.running} of {stage.workers}" in words(page, "#side")
    assert f"{now.delivered:,} samples" in words(page, "#clock")


def test_hovering_turns_the_page_into_that_moment(tab: Tab, pages: Pages) -> None:
    page = opened(tab, pages, Told(SCENE.rails, SCENE.moments), more="&span=60")
    box = page.evaluate("document.querySelector('#picture svg').getBoundingClientRect().toJSON()")  # at once
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    page.wait_for_selector("#chip:has-text('s ago')")
    shown = words(page, "#clock")
    found = [m for m in SCENE.moments if f"{m['top']['clock']} · {m['top']['samples']}" in shown]
    assert len(found) == 1
    assert 5 < found[0]["at"] < 19
    labels = page.evaluate(KEYS)
    assert labels == [cell["speaks"] for cell in found[0]["cells"]]
    page.mouse.move(2, 2)
    page.wait_for_selector("#chip:empty", state="attached")
    assert page.evaluate(KEYS) == [cell["speaks"] for cell in SCENE.moments[-1]["cells"]]


def test_keys_alone_do_everything(tab: Tab, pages: Pages) -> None:
    page = opened(tab, pages, Told(SCENE.rails, SCENE.moments))
    page.keyboard.press("Enter")
    assert words(page, "#side h2").startswith("add")
    page.keyboard.press("ArrowDown")
    assert words(page, "#side h2").startswith("cut")
    assert page.get_attribute("#picture", "aria-activedescendant") == f"row{SCENE.rails.row('cut')}"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert words(page, "#side h2").startswith("source") or SCENE.rails.rows[0].label in words(
        page, "#side h2"
    )
    page.keyboard.press("ArrowLeft")
    assert words(page, "#chip").endswith("ago")
    page.keyboard.press("Escape")
    assert words(page, "#chip") == ""
    page.keyboard.press("Escape")
    assert words(page, "#side h2").startswith("Run")
    page.keyboard.press("]")
    assert page.input_value("#span") == "300"
    page.keyboard.press("[")
    page.keyboard.press(" ")
    assert words(page, "#chip") == "paused"
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    page.keyboard.press(" ")
    reached = set()
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.go || ''"))
    assert reached >= {
        "span",
        "pause",
        "theme",
        "save",
        "add",
        "picture",
        "stats",
        "dump",
        "trace",
        "metrics",
    }
    page.locator("#head [data-go]").focus()
    page.keyboard.press("Enter")
    assert words(page, "#side h2").startswith("add")


def test_pausing_holds_the_page_and_the_run_is_not_lost(tab: Tab, pages: Pages) -> None:
    told = Told(SCENE.rails, SCENE.moments[:10])
    page = opened(tab, pages, told)
    page.click("#pause")
    told.moments.extend(SCENE.moments[10:])
    with page.expect_response("**/state*"):
        pass
    with page.expect_response("**/state*"):
        pass
    assert SCENE.moments[9]["top"]["samples"] in words(page, "#clock")
    page.click("#pause")
    assert SCENE.moments[-1]["top"]["samples"] in words(page, "#clock")


@pytest.mark.parametrize("end", ENDS)
def test_every_state_says_what_it_is(end: str, tab: Tab, pages: Pages) -> None:
    scene = scene_of(three(), 30, slow="add", end=end)
    page = opened(tab, pages, Told(scene.rails, scene.moments))
    assert words(page, "#head") == plain(scene.moments[-1]["say"]["head"])
    assert words(page, "#sub") == " ".join(plain(scene.moments[-1]["say"]["sub"]).split())
    if end == "stalled":
        assert "io-1: add" in words(page, "#side")
        assert words(page, "#side h2").startswith("Threads")


def test_names_are_shown_and_never_obeyed(tab: Tab, pages: Pages) -> None:
    evil = "<img src=x onerror=alert(1)>"
    scene = scene_of(three(), 20, slow="add")
    rows = tuple(row._replace(label=evil, where=evil, parameters=((evil, evil),)) for row in scene.rails.rows)
    moments = [
        {**m, "warnings": [(3.0, evil, evil, evil)], "say": {**m["say"], "head": [(evil, f"stage:{evil}")]}}
        for m in scene.moments
    ]
    told = Told(type(scene.rails)(evil, rows, scene.rails.links, 1), moments, evil)  # type: ignore[arg-type]
    page = opened(tab, pages, told)
    page.click("#row1")
    assert page.locator("img").count() == 0
    assert words(page, "#head") == evil
    assert evil.split(maxsplit=1)[0] in words(page, "#side")


def overlaps(boxes: list[list[Any]]) -> list[tuple[str, str]]:
    found = []
    for one, two in itertools.combinations(boxes, 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        if not apart:
            found.append((one[4], two[4]))
    return found


SCENES: dict[str, Scene] = {
    "three": SCENE,
    "thirty": scene_of(thirty(), 30, slow="step_1_2"),
    "failed": scene_of(three(), 30, slow="add", end="failed"),
}


@pytest.mark.parametrize("name", SCENES)
def test_no_text_overlaps_or_leaves_the_picture(name: str, tab: Tab, pages: Pages) -> None:
    scene = SCENES[name]
    for width in (480, 800, 1280, 2560):  # in one tab: to open one takes a second of CPU
        tab.page.set_viewport_size({"width": width, "height": 1000})
        page = opened(tab, pages, Told(scene.rails, scene.moments))
        boxes = page.evaluate(BOXES)
        assert len(boxes) > 3 * len(scene.rails.rows), width
        assert overlaps(boxes) == [], width
        assert [box[4] for box in boxes if box[0] < box[5] or box[2] > box[6]] == [], width
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
        assert LONG[:8] in " ".join(box[4] for box in boxes) or name != "thirty"


def test_ranks_stand_side_by_side_and_one_can_be_looked_at_alone(tab: Tab, pages: Pages) -> None:
    fed, slow = scene_of(three(), 30), SCENE
    runs = [Told(scene.rails, scene.moments) for scene in (fed, fed, slow)]
    page = opened(tab, pages, *runs)
    assert words(page, "#head").startswith("Rank 2 holds up all 3 and waits 60 %")
    assert page.locator("#picture [data-rank]").count() == 3
    assert overlaps(page.evaluate(BOXES)) == []
    page.keyboard.press("2")
    assert words(page, "#name") == "test, rank 2"
    page.keyboard.press("Escape")
    page.click("#picture [data-rank='1']")
    assert words(page, "#name") == "test, rank 1"
    page.keyboard.press("1")
    page.mouse.move(2, 2)
    runs[1].silent = 160.0
    page.wait_for_selector("#chip:has-text('rank 1: no answer')")


def test_of_many_ranks_the_waits_of_all_and_three_columns(tab: Tab, pages: Pages) -> None:
    fed = scene_of(three(), 20)
    page = opened(
        tab, pages, *[Told(fed.rails, fed.moments) for _ in range(11)], Told(SCENE.rails, SCENE.moments)
    )
    assert page.locator("#picture [data-rank]").count() == 12 + 3
    assert words(page, "#head").startswith("Rank 11 holds up all 12")


def test_a_process_that_vanished_leaves_its_last_picture(browser: Any) -> None:
    made = Pages()
    tab = Tab(browser)
    page = opened(tab, made, Told(SCENE.rails, SCENE.moments))
    made.server.shutdown()
    made.server.server_close()
    page.wait_for_selector("#chip:has-text('no answer since 0:20')")
    assert page.locator("#picture [data-row]").count() == len(SCENE.rails.rows)
    assert "no answer since 0:20" in words(page, "#head")
    page.close()


def test_dark_light_print_and_reduced_motion(browser: Any, pages: Pages) -> None:
    tab = Tab(browser, color_scheme="dark", reduced_motion="reduce")
    page = opened(tab, pages, Told(SCENE.rails, SCENE.moments))
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(14, 18, 23)"
    assert words(page, "#theme") == "Light"
    page.click("#theme")
    assert page.evaluate(paper) == "rgb(251, 251, 249)"
    assert page.evaluate("document.getAnimations().length") == 0
    page.click("#theme")
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert not page.is_visible("#pause")
    assert page.pdf()[:4] == b"%PDF"
    assert tab.complaints == []
    page.close()


def test_the_picture_is_saved_with_its_verdict_in_both_themes(tab: Tab, pages: Pages) -> None:
    page = opened(tab, pages, Told(SCENE.rails, SCENE.moments))
    with page.expect_download() as waiting:
        page.click("#save")
    content = waiting.value.path().read_text()
    assert waiting.value.suggested_filename == "flowload.svg"
    assert "prefers-color-scheme:dark" in content
    assert "The trainer waits 60 % of its time" in content
    assert "in = out + dropped + held" in content or "under way" in content
