from __future__ import annotations

import bz2
import gzip
import lzma
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, NoDataError
from flowload.formats.games import files as games_files
from flowload.formats.games.files import find_games, replay_part, survey_file
from tests.formats.games.on_disk import some_games, write_games
from tests.kernels.games.naive import play_game

GAME = play_game(1, 70, 3)


def replay_all(path: Path) -> None:
    for part in survey_file(str(path)):
        replay_part(part, 0)


def fails(tmp_path: Path, data: bytes) -> str:
    """What is said of a file."""
    path = tmp_path / "games_x"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        replay_all(path)
    text = str(caught.value)
    assert text.startswith(f"{path}, byte ")
    return text.removeprefix(f"{path}, ")


def test_parts_are_whole_games(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(games_files, "PART", 600)
    games = some_games(20)
    path = tmp_path / "games"
    path.write_bytes(b"".join(games))
    parts = survey_file(str(path))
    assert len(parts) > 3
    assert [part.offset for part in parts[1:]] == [part.offset + part.size for part in parts[:-1]]
    assert all(300 < part.size <= 600 for part in parts[:-1])
    assert sum(part.games for part in parts) == 20
    assert sum(part.skipped for part in parts) == 6
    assert [part.game for part in parts] == np.cumsum([0, *(part.games for part in parts)])[:-1].tolist()


def test_an_illegal_move_is_told_with_its_place(tmp_path: Path) -> None:
    bad = bytes([2, 0, 0, 1, 7, 14]) + bytes([1, 1])  # white: h1 to g2, then black's score is right
    assert fails(tmp_path, GAME + bytes([1, 0, 0, 10, 1, 0]) + bad) == (
        f"byte {len(GAME) + 2}, game 1, ply 0: illegal move; found black from a1 to c2; "
        "wanted one of black's pieces along a row, column or diagonal over free squares"
    )
    assert "byte 4, game 0, ply 1: illegal move; found white from a1 to b2" in fails(
        tmp_path, bytes([2, 0, 0, 1, 0, 9, 1, 1])
    )
    assert "found black from square 64 to square 200" in fails(tmp_path, bytes([1, 0, 64, 200, 1, 0]))


def test_an_illegal_pass_is_told(tmp_path: Path) -> None:
    assert fails(tmp_path, bytes([2, 1, 0, 1, 0, 0, 1, 0])) == (
        "byte 4, game 0, ply 1: illegal pass; found white passes; wanted a move: white has one"
    )


@pytest.mark.parametrize(("side", "name"), [(-2, "black"), (-1, "white")])
def test_a_wrong_score_is_told(tmp_path: Path, side: int, name: str) -> None:
    game = bytearray(GAME)
    game[side] += 1
    data = GAME + bytes(game)
    assert fails(tmp_path, data) == (
        f"byte {len(data) + side}, game 1, after ply {GAME[0] - 1}: wrong score; "
        f"found {game[side]} for {name}; wanted {GAME[side]}: as many as {name} made moves"
    )


def test_a_game_that_is_cut_off_is_told(tmp_path: Path) -> None:
    for cut in (1, 2, 3, len(GAME) - 1):
        assert fails(tmp_path, GAME + GAME[:cut]) == (
            f"byte {len(GAME)}, game 1: truncated game; found {cut} bytes; wanted {len(GAME)} bytes"
        )


def test_more_random_moves_than_moves_are_told(tmp_path: Path) -> None:
    assert fails(tmp_path, GAME + bytes([3, 4, 0, 1])) == (
        f"byte {len(GAME)}, game 1: more random moves than moves; found 4 random moves of 3; wanted at most 3"
    )


def test_games_and_bytes_are_counted_over_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(games_files, "PART", 600)
    before = GAME * 9
    assert fails(tmp_path, before + bytes([1, 0, 0, 10, 1, 0])).startswith(
        f"byte {len(before) + 2}, game 9, ply 0: illegal move"
    )


def test_all_random_games_are_replayed_too(tmp_path: Path) -> None:
    assert "illegal move" in fails(tmp_path, bytes([1, 1, 0, 10, 1, 0]))


def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    path = tmp_path / "games"
    path.write_bytes(GAME * 2)
    (part,) = survey_file(str(path))
    longer = bytearray(GAME)
    longer[1] = 1  # fewer random moves: more samples than there is room for
    for data in (GAME, GAME + bytes(longer), b""):
        path.write_bytes(data)
        with pytest.raises(DataError, match="changed while it was packed"):
            replay_part(part, 0)
    with pytest.raises(NoDataError, match="gone: no such file; wanted a file of games"):
        replay_part(replace(part, path=str(tmp_path / "gone")), 0)


@pytest.mark.parametrize("module", [gzip, lzma, bz2])
def test_compressed_games_are_told(tmp_path: Path, module: Any) -> None:
    ending = {gzip: "gz", lzma: "xz", bz2: "bz2"}[module]
    path = tmp_path / f"games.{ending}"
    path.write_bytes(module.compress(GAME))
    with pytest.raises(DataError, match=r"compressed games; found .* data; wanted games that were unpacked"):
        survey_file(str(path))
    path.write_bytes(GAME)  # a name alone says nothing
    assert sum(part.games for part in survey_file(str(path))) == 1


@pytest.mark.parametrize("name", ["games_1~", "games_1.part", "games_1.tmp"])
def test_backups_and_halves_of_files_are_no_games(tmp_path: Path, name: str) -> None:
    write_games(tmp_path, files=1)
    (tmp_path / name).write_bytes(GAME)
    assert [Path(path).name for path in find_games(tmp_path)] == ["games_0"]
    assert [Path(path).name for path in find_games(tmp_path / "games*")] == ["games_0"]
    assert find_games(tmp_path / name) == (str(tmp_path / name),)


def test_an_empty_file_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "games").touch()
    assert survey_file(str(tmp_path / "games")) == []


def test_files_are_found_by_folder_path_and_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = map(str, write_games(tmp_path))
    for name in ("other", "games_inputs.npy", "games.json", "games_bits.partial", "games.lock"):
        (tmp_path / name).touch()
    (tmp_path / "games_folder").mkdir()
    assert find_games(tmp_path) == find_games([two, one]) == find_games(f"{tmp_path}/games_?") == (one, two)
    assert find_games([tmp_path, one, two]) == (one, two)
    assert find_games(tmp_path / "other") == (str(tmp_path / "other"),)
    monkeypatch.chdir(tmp_path)
    assert find_games("games_[01]") == ("games_0", "games_1")
    assert find_games(os.curdir) == ("games_0", "games_1")


@pytest.mark.parametrize("word", ["gone", "none*", "empty"])
def test_nothing_is_said(tmp_path: Path, word: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoDataError, match=f"{word}.*: no games; wanted a file, or a folder with files games"):
        find_games([str(tmp_path / word.replace("*", "[*]")) if word == "gone" else str(tmp_path / word)])
