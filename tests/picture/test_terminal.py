"""The picture in letters: fits 80 and 160 columns, reads without colour, says what other views say."""

from __future__ import annotations

import pytest

from flowload.picture.panel_text import panel_lines
from flowload.picture.svg.marks import fold
from flowload.picture.terminal import Screen, bar_pieces, picture_lines
from tests.picture.graphs import thirty, three
from tests.picture.scenes import ENDS, scene_of

SCENES = {"three": scene_of(three(), 40, slow="add"), "thirty": scene_of(thirty(), 40, slow="step_1_2")}


def lines_of(name: str, columns: int, **how: object) -> list[str]:
    scene = SCENES[name]
    screen = Screen(columns, **how)  # type: ignore[arg-type]
    last = len(scene.moments) - 1
    drawn = picture_lines(scene.rails, scene.moments, last, last, screen)
    return ["".join(piece.text for piece in line) for line in drawn]


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("name", SCENES)
def test_no_line_is_too_long(name: str, columns: int) -> None:
    lines = lines_of(name, columns)
    assert [line for line in lines if len(line) > columns] == []


@pytest.mark.parametrize("name", SCENES)
def test_every_row_has_its_station_its_bar_and_its_rate(name: str) -> None:
    scene = SCENES[name]
    rows = lines_of(name, 160)[-len(scene.rails.rows) :]
    for row, cell, line in zip(scene.rails.rows, scene.moments[-1]["cells"], rows, strict=True):
        station = line[1 + 2 * row.lane]
        assert station == ("▼" if row.output else "●" if cell["mark"] == "limit" else station)
        assert station in "○●◌▼"
        assert cell["out"] in line
        assert row.label[:6] in line
    assert sum("●" in line for line in rows) == 1
    assert any("busy 98" in line and "●" in line for line in rows)
    assert any("waits 60" in line for line in rows)


def test_branches_turn_and_lanes_go_by() -> None:
    rows = lines_of("thirty", 160)[-33:]
    split = next(line for line in rows if " step " in line)
    assert split.startswith(" ○─┬─┬─╮")
    assert next(line for line in rows if "junction" in line).startswith(" ○─┴─╯ │")
    assert next(line for line in rows if "step_0_0" in line).startswith(" ○ │ │ │")


def test_a_bar_has_a_letter_for_every_part_and_is_full() -> None:
    pieces = list(bar_pieces([0.31, 0.2, 0.2, 0.1, 0.09, 0.1], 20))
    assert "".join(piece.text for piece in pieces) == "██████▓▓▓▓▒▒▒▒░░╳╳··"
    for width in range(1, 40):
        assert sum(len(piece.text) for piece in bar_pieces([0.333, 0, 0.333, 0, 0, 0.334], width)) == width


@pytest.mark.parametrize("end", ENDS)
def test_every_end_is_said(end: str) -> None:
    scene = scene_of(three(), 12, slow="add", end=end)
    drawn = picture_lines(scene.rails, scene.moments, 11, 11, Screen(80))
    words = " ".join("".join(piece.text for piece in line) for line in drawn)
    first = scene.moments[-1]["say"]["head"][0][0].split()[0]
    assert f" {first}" in words


@pytest.mark.parametrize("room", range(1, 40))
def test_words_are_folded_at_spaces_and_paths_at_slashes(room: int) -> None:
    words = "at /a/folder/of/somebody/tests/runtime/stages.py:245 ou  /x/yz"
    lines = fold(words, room, 1)
    assert max(map(len, lines)) <= room
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    if room >= 12:
        broken = [line for line in lines[:-1] if "/" in line and line.endswith(("/", "245", "ou ", "ou"))]
        assert len(broken) == len([line for line in lines[:-1] if "/" in line])
        assert "stages.py:245" in lines[-2] + lines[-1] or room < len("stages.py:245")


def test_the_details_fit_and_have_the_ledger() -> None:
    scene = SCENES["thirty"]
    for sections in (scene.moments[-1]["panel"], scene.moments[-1]["stages"][3]):
        for width in (39, 76):
            lines = ["".join(piece.text for piece in line) for line in panel_lines(sections, width)]
            assert [line for line in lines if len(line) > width] == []
    words = "\n".join("".join(p.text for p in line) for line in panel_lines(scene.moments[-1]["panel"], 76))
    assert words.count("✓") == len(scene.stats[-1].stages)
