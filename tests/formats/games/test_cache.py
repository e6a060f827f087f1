from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from flowload.abc.records import LayoutRecords
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.games import cache as games_cache
from flowload.formats.games.cache import Games
from flowload.formats.games.layouts import LAYOUTS
from flowload.formats.games.pack import pack_games
from flowload.observe.preparation import LOGGER
from tests.formats.games.on_disk import naive_arrays, read_all, write_games


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_games(tmp_path / "raw")
    return tmp_path / "raw"


def wanted(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return naive_arrays(sorted(path for path in folder.iterdir() if path.is_file()))[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_first_run_packs_and_the_next_does_not(raw: Path, layout: str) -> None:
    records = Games(raw, layout=layout)
    assert isinstance(records, LayoutRecords)
    assert pickle.loads(pickle.dumps(records)) == records
    assert not (raw / ".flowload").exists()
    np.testing.assert_array_equal(read_all(records)[0], wanted(raw))
    folder = raw / ".flowload" / layout
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert times
    np.testing.assert_array_equal(read_all(records)[0], wanted(raw))
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")} == times


def test_what_has_changed_is_packed_again(raw: Path) -> None:
    before = len(read_all(Games(raw))[1])
    (raw / "games_2").write_bytes((raw / "games_0").read_bytes())
    assert len(read_all(Games(raw))[1]) > before
    np.testing.assert_array_equal(read_all(Games(raw))[0], wanted(raw))
    (raw / "games_0").unlink()
    np.testing.assert_array_equal(read_all(Games(raw))[0], wanted(raw))


def test_packed_files_go_where_they_are_wanted(raw: Path, tmp_path: Path) -> None:
    read_all(Games(raw, tmp_path / "here"))
    assert (tmp_path / "here" / "bits" / "positions_bits.npy").exists()
    assert not (raw / ".flowload").exists()


def test_data_that_are_only_read_use_the_users_cache(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    np.testing.assert_array_equal(read_all(Games(raw))[0], wanted(raw))
    (found,) = (tmp_path / "cache" / "flowload" / "games").iterdir()
    assert (found / "bits" / "positions.json").exists()
    write_games(tmp_path / "other", files=1)
    read_all(Games(tmp_path / "other"))
    assert len(list((tmp_path / "cache" / "flowload" / "games").iterdir())) == 2


def test_a_folder_that_cannot_be_made_uses_the_users_cache(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (raw / ".flowload").write_text("a file is in the way")
    read_all(Games(raw))
    assert list((tmp_path / "home" / ".cache" / "flowload" / "games").iterdir())


def test_what_is_packed_already_is_opened_as_it_is(raw: Path, tmp_path: Path) -> None:
    pack_games(raw, tmp_path / "out", layout="uint8")
    for data in (tmp_path / "out", tmp_path / "out" / "positions", tmp_path / "out" / "positions_inputs.npy"):
        np.testing.assert_array_equal(read_all(Games(data))[0], wanted(raw))
    assert not list(tmp_path.glob("**/.flowload"))


def test_several_files_and_patterns(raw: Path) -> None:
    paths = sorted(map(str, raw.glob("games_*")))
    for data in (tuple(paths), f"{raw}/games_*"):
        np.testing.assert_array_equal(read_all(Games(data))[0], wanted(raw))
    one = read_all(Games(paths[0]))[0]
    np.testing.assert_array_equal(one, naive_arrays([Path(paths[0])])[0])


def test_mistakes_are_said(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no packed layout 'tensors'"):
        Games(raw, layout="tensors")
    (tmp_path / "empty").mkdir()
    for data in (tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(NoDataError, match="no games; wanted a file, or a folder with files games"):
            Games(data).open()
    (raw / "games_0").write_bytes(b"\x05")
    with pytest.raises(DataError, match="games_0, byte 0, game 0: truncated game"):
        Games(raw).open()


def test_the_packing_is_logged_once(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=games_cache.log.name):
        read_all(Games(raw))
        read_all(Games(raw))
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("packed ")


def test_a_long_packing_tells_how_far_it_is(
    raw: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowload.observe.preparation.EVERY", -1.0)
    with caplog.at_level("INFO", logger=LOGGER):
        read_all(Games(raw))
    assert caplog.messages[0].startswith("games: packing to ")
    assert "(100 %)" in [message for message in caplog.messages if "packing to" in message][-1]
