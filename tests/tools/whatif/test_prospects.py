from __future__ import annotations

import json

from tools.whatif.model import Change, Prospect, WhatIf
from tools.whatif.prospects import as_json, prospects

UNPACK = Prospect(
    "unpack", 600e3, tuple((k, 300e3 * k) for k in range(1, 9)), 0.4, 2, 8, 288e3, 250e3, True, ""
)
SPLIT = Prospect("split", float("inf"), (), 0.0, 1, 1, 230e3, 230e3, False, "as it ran")
FOUND = WhatIf(230e3, (UNPACK, SPLIT), (Change("unpack", "chess.py:52", None, 2, 8, 250e3),))


def test_the_table_has_a_row_a_stage() -> None:
    lines = prospects(FOUND)
    assert [line.split()[0] for line in lines[:3]] == ["stage", "unpack", "split"]
    assert lines[1].split()[1:] == [
        "600",
        "k/s",
        "40",
        "%",
        "2",
        "8",
        "288",
        "k/s",
        "+25",
        "%",
        "250",
        "k/s",
        "+9",
        "%",
    ]
    assert lines[2].split()[1:] == ["~-", "0", "%", "1", "-", "230", "k/s", "+0", "%", "-"]


def test_it_fits_a_terminal() -> None:
    assert max(map(len, prospects(FOUND))) <= 80


def test_notes_stand_beneath() -> None:
    lines = prospects(FOUND)
    assert lines[3] == "  unpack with so many workers: 1: 300 k/s, 2: 600 k/s, 4: 1.20 M/s, 8: 2.40 M/s"
    assert lines[4] == "  ~ split: as it ran"


def test_a_change_says_where_and_from_what_to_what() -> None:
    assert prospects(FOUND)[-2:] == [
        "change: chess.py:52: 'unpack' from no workers= (2) to workers=8",
        "  the whole would reach 250 k/s",
    ]
    declared = FOUND._replace(changes=(FOUND.changes[0]._replace(declared=2),))
    assert prospects(declared)[-2] == "change: chess.py:52: 'unpack' from workers=2 to workers=8"


def test_no_change_is_said_too() -> None:
    assert prospects(FOUND._replace(changes=()))[-1].startswith("change: none")


def test_nothing_is_known_of_nothing() -> None:
    assert prospects(None) == ["what if: unknown; nothing was delivered"]
    assert as_json(None) is None


def test_it_has_all_numbers_as_json() -> None:
    made = as_json(FOUND)
    assert made is not None
    found = json.loads(json.dumps(made))
    assert found["prospects"][0]["ceilings"]["3"] == 900e3
    assert found["changes"][0]["to"] == 8
