"""In which order files were told, in a few bytes a file."""

from __future__ import annotations

import json

import pytest

from flowload.errors import GraphError
from flowload.stages.files.told_log import SEALED, Entry, ToldFile, ToldLog, entries_of


def entries(files: int) -> list[Entry]:
    made: list[Entry] = [
        [ToldFile(n, 0, f"training.{n:09}.gz") for n in range(first, first + 5)]
        for first in range(0, files, 5)
    ]
    made.insert(3, None)
    return [*made, [], None]


@pytest.mark.parametrize("files", [0, 5, SEALED - 1, 3 * SEALED + 7])
def test_it_comes_back_as_it_was(files: int) -> None:
    log = ToldLog()
    for entry in entries(files):
        log.add(entry)
    state = json.loads(json.dumps(log.state()))
    assert list(entries_of(state)) == entries(files)
    assert log.entries == len(entries(files))
    assert len(json.dumps(state)) < 300 + 12 * files


def test_what_is_old_is_packed_once() -> None:
    log = ToldLog()
    for entry in entries(2 * SEALED):
        log.add(entry)
    first, second = log.state(), log.state()
    assert len(log.open) < SEALED / 5
    assert [a is b for a, b in zip(first["pieces"], second["pieces"], strict=True)] == [True, True]


@pytest.mark.parametrize("garbage", [{}, {"pieces": [], "last": "x"}, {"pieces": 3, "last": ""}])
def test_garbage_is_refused(garbage: dict[str, object]) -> None:
    with pytest.raises(GraphError, match="does not say which files were told"):
        list(entries_of(garbage))
