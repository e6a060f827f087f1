from __future__ import annotations

import itertools
import json
import logging
import multiprocessing
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.games import files as games_files
from flowload.formats.games import writer as games_writer
from flowload.formats.games.files import Part, Replayed
from flowload.formats.games.layouts import LAYOUTS
from flowload.formats.games.pack import Progress, in_order, pack_games
from flowload.formats.games.packed import PackedGames
from tests.formats.games.on_disk import naive_arrays, read_all, write_games

PACKED = {
    "bits": {"positions_bits.npy"},
    "uint8": {"positions_inputs.npy", "positions_outputs.npy"},
    "float32": {"positions_inputs.npy", "positions_outputs.npy"},
}
BESIDE = {"positions_games.npy", "positions.json", "positions.lock"}


@pytest.fixture
def games(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Games in several parts a file."""
    monkeypatch.setattr(games_files, "PART", 250)
    return write_games(tmp_path / "raw", files=3, count=8)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("workers", [1, 3])
def test_every_layout_is_what_the_slow_replay_gives(
    games: list[Path], tmp_path: Path, layout: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(games_writer, "SLICE", 50)
    out = tmp_path / "deep" / "out"
    done = pack_games(tmp_path / "raw", out, layout=layout, workers=workers)
    wanted = naive_arrays(games)
    assert (done.rows, done.games, done.skipped, done.kept) == (len(wanted[1]), 24, 8, 0)
    assert done.parts > 6
    assert names(out) == PACKED[layout] | BESIDE
    inputs, outputs = read_all(PackedGames(out))
    np.testing.assert_array_equal(inputs, wanted[0])
    np.testing.assert_array_equal(outputs, wanted[1])
    assert (str(inputs.dtype), str(outputs.dtype)) == ("float32", "int64")


def test_arrays_are_plain_npy_files(games: list[Path], tmp_path: Path) -> None:
    inputs, outputs = naive_arrays(games)
    for layout, dtypes in {"uint8": ("uint8", "uint8"), "float32": ("float32", "int64")}.items():
        pack_games(games, tmp_path / layout, layout=layout)
        found = [np.load(tmp_path / layout / f"positions_{name}.npy") for name in ("inputs", "outputs")]
        assert tuple(str(array.dtype) for array in found) == dtypes
        np.testing.assert_array_equal(found[0], inputs)
        np.testing.assert_array_equal(found[1], outputs)
    pack_games(games, tmp_path / "bits")
    bits = np.load(tmp_path / "bits" / "positions_bits.npy", mmap_mode="r")
    assert bits.offset % 64 == 0
    np.testing.assert_array_equal(np.unpackbits(np.asarray(bits)[:, :24], axis=1), inputs[:, :192])


def test_progress_is_told_part_by_part(games: list[Path], tmp_path: Path) -> None:
    told: list[Progress] = []
    done = pack_games(games, tmp_path / "out", report=told.append)
    assert [progress.parts for progress in told] == list(range(1, done.parts + 1))
    rows = [progress.rows for progress in told]
    assert rows == sorted(rows)
    assert rows[-1] == done.rows
    assert {(progress.of_rows, progress.of_parts) for progress in told} == {(done.rows, done.parts)}


def test_what_is_packed_is_not_packed_again(games: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = pack_games(games, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.suffix != ".lock"}
    told: list[Progress] = []
    again = pack_games(tmp_path / "raw", out, report=told.append)
    assert again == first._replace(kept=first.parts)
    assert not told
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.suffix != ".lock"} == before


def change_time(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def change_size(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


@pytest.mark.parametrize("change", [change_time, change_size, Path.unlink])
def test_changed_files_are_packed_again(games: list[Path], tmp_path: Path, change: Any) -> None:
    out = tmp_path / "out"
    pack_games(games, out)
    change(games[1])
    done = pack_games(tmp_path / "raw", out)
    assert done.kept == 0
    left = [path for path in games if path.exists()]
    np.testing.assert_array_equal(read_all(PackedGames(out))[0], naive_arrays(left)[0])


@pytest.mark.parametrize("spoil", ["positions_bits.npy", "positions_games.npy", "positions.json"])
def test_a_missing_file_is_made_again(games: list[Path], tmp_path: Path, spoil: str) -> None:
    out = tmp_path / "out"
    pack_games(games, out)
    before = content(out)
    (out / spoil).unlink()
    assert pack_games(games, out).kept == 0
    assert content(out) == before


def test_another_layout_takes_the_place_of_the_first(games: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for layout in ("uint8", "bits", "float32", "uint8"):
        pack_games(games, out, layout=layout)
        assert names(out) == PACKED[layout] | BESIDE
    pack_games(games, out, prefix="other")
    assert len(read_all(PackedGames(out / "other"))[1]) == len(read_all(PackedGames(out / "positions"))[1])


class StoppedError(Exception):
    """Somebody pulls the plug."""


def stop_after(count: int, games: list[Path], out: Path, layout: str = "bits") -> None:
    """Pack so many parts, and no more."""
    replay, replayed = games_files.replay_part, itertools.count()

    def stopping(part: Part, first: int) -> Replayed:
        if next(replayed) >= count:
            raise StoppedError
        return replay(part, first)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(games_writer, "replay_part", stopping)
        with pytest.raises(StoppedError):
            pack_games(games, out, layout=layout, workers=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_stopped_goes_on(
    games: list[Path], tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    parts = pack_games(games, whole, layout=layout).parts
    stop_after(3, games, out, layout)
    assert not any(name.endswith((".npy", ".json")) for name in names(out))
    replayed = count_replays(monkeypatch)
    told: list[Progress] = []
    done = pack_games(games, out, layout=layout, workers=1, report=told.append)
    assert done.kept == 3
    assert len(replayed) == parts - 3
    assert [progress.parts for progress in told] == list(range(4, parts + 1))
    assert told[-1].rows == done.rows
    assert content(out) == content(whole)


def count_replays(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    replayed: list[Part] = []
    replay = games_files.replay_part

    def counted(part: Part, first: int) -> Replayed:
        replayed.append(part)
        return replay(part, first)

    monkeypatch.setattr(games_writer, "replay_part", counted)
    return replayed


def spoil_journal(out: Path) -> None:
    (out / "positions.journal").write_text("something else\n1\n2\n")


def spoil_partial(out: Path) -> None:
    os.truncate(out / "positions_bits.partial", 100)


def lose_partial(out: Path) -> None:
    (out / "positions_games.partial").unlink()


def reboot(out: Path) -> None:
    games_writer.BOOT.write_text("another")


@pytest.mark.parametrize("spoil", [spoil_journal, spoil_partial, lose_partial, reboot])
def test_what_cannot_be_trusted_is_begun_anew(
    games: list[Path], tmp_path: Path, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(games_writer, "BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("one")
    out = tmp_path / "out"
    stop_after(2, games, out)
    spoil(out)
    assert pack_games(games, out).kept == 0
    np.testing.assert_array_equal(read_all(PackedGames(out))[0], naive_arrays(games)[0])


def test_a_half_line_of_the_journal_does_not_count(games: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(2, games, out)
    with (out / "positions.journal").open("a") as file:
        file.write("3")  # killed before the rest
    stop_after(1, games, out)
    assert pack_games(games, out, workers=1).kept == 3
    np.testing.assert_array_equal(read_all(PackedGames(out))[0], naive_arrays(games)[0])


def test_a_bad_game_leaves_what_was_there(games: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    pack_games(games, out)
    before = content(out)
    data = bytearray(games[1].read_bytes())
    data[-1] += 1
    games[1].write_bytes(data)
    with pytest.raises(DataError, match=r"games_1, byte \d+, game 7, after ply \d+: wrong score"):
        pack_games(games, out)
    assert content(out) == before  # and no draft: the mended file will be another one


def test_the_first_bad_game_is_told_whatever_comes_first(games: list[Path], tmp_path: Path) -> None:
    for path in games[1:]:
        data = bytearray(path.read_bytes())
        data[-1] += 1
        path.write_bytes(data)
    for _ in range(5):
        with pytest.raises(DataError, match="games_1"):
            pack_games(games, tmp_path / "out", workers=4)


def test_nothing_to_pack_is_said(tmp_path: Path) -> None:
    path = tmp_path / "games"
    for data, found in ((b"", "no games"), (bytes([1, 1, 0, 1, 1, 0]), "1 games in 1 files, all of whose")):
        path.write_bytes(data)
        with pytest.raises(NoDataError, match=f"games: no samples; found {found}"):
            pack_games(path, tmp_path / "out")


def test_mistakes_are_said(games: list[Path], tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no packed layout 'zip'; there are 'bits', 'uint8', 'float32'"):
        pack_games(games, tmp_path, layout="zip")
    for prefix in ("a/b", "/"):
        with pytest.raises(GraphError, match="wanted the beginning of a file name"):
            pack_games(games, tmp_path, prefix=prefix)


def test_a_full_disk_is_said_by_name(
    games: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: object, at: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        games_writer, "write_all", lambda fd, data, at=0: None if at == 0 else full(fd, data, at)
    )
    with pytest.raises(OSError, match=r"No space left on device: '.*positions_\w+\.partial'"):
        pack_games(games, tmp_path / "out")
    assert names(tmp_path / "out") == {"positions.lock"}  # nothing keeps the disk full


def test_several_may_pack_the_same(games: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: pack_games(games, out), range(4)))
    assert sorted(each.kept for each in done) == [0, *[done[0].parts] * 3]


@pytest.mark.slow
def test_several_processes_may_pack_the_same(games: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        kept = [pool.apply_async(kept_by, (str(tmp_path / "raw"), str(out))) for _ in range(2)]
        assert sorted(bool(each.get(60)) for each in kept) == [False, True]
    np.testing.assert_array_equal(read_all(PackedGames(out))[0], naive_arrays(games)[0])


def kept_by(data: str, out: str) -> int:
    return pack_games(data, out).kept


def test_the_manifest_says_what_was_packed(games: list[Path], tmp_path: Path) -> None:
    done = pack_games(games, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "positions.json").read_text())
    assert (told["rows"], told["games"], told["skipped"]) == (done.rows, 24, 8)
    assert [name for name, *_ in told["of"]["sources"]] == [path.name for path in games]


class Watched(ThreadPoolExecutor):
    """Tells when its latest call was cancelled."""

    def __init__(self, cancelled: threading.Event) -> None:
        super().__init__(1)
        self.cancelled = cancelled
        self.calls: list[Future[Any]] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        call = super().submit(function, *args, **kwargs)
        self.calls.append(call)
        call.add_done_callback(self.look)
        return call

    def look(self, call: Future[Any]) -> None:
        if call.cancelled() and call is self.calls[-1]:
            self.cancelled.set()


def test_when_one_fails_the_others_are_not_begun_and_none_goes_on() -> None:
    begun: list[int] = []
    ended: list[int] = []
    cancelled = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise StoppedError
        if number == 2:
            assert cancelled.wait(60)
        ended.append(number)

    with Watched(cancelled) as threads:
        with pytest.raises(StoppedError):
            in_order(threads, work, range(100))
        assert begun in ([0, 1], [0, 1, 2])
        assert ended == [number for number in begun if number != 1]


@pytest.mark.parametrize("sync", [True, False])
def test_the_disk_is_waited_for_on_request(
    games: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    synchronized: list[set[str]] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synchronized.append(names(tmp_path / "out")))
    pack_games(games, tmp_path / "out", sync=sync)
    arrays = {"positions_bits.npy", "positions_games.npy"}
    # Both arrays before the first name; then the names, then what says that all is there, and its name.
    found = [(len(arrays & there), "positions.json" in there) for there in synchronized]
    assert found == ([(0, False), (0, False), (2, False), (2, False), (2, True)] if sync else [])


def test_who_is_told_may_stop_it(games: list[Path], tmp_path: Path) -> None:
    def report(progress: Progress) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        pack_games(games, tmp_path / "out", report=report)
    assert pack_games(games, tmp_path / "out").kept > 0


def test_games_without_a_move_are_counted_and_told(
    games: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A block of zeros reads as such games, each of which is whole, and all random."""
    before = pack_games(games, tmp_path / "before")
    assert before.empty == 0
    assert not caplog.records
    games[1].write_bytes(bytes(400) + games[1].read_bytes())
    done = pack_games(games, tmp_path / "out")
    assert (done.empty, done.games, done.skipped) == (100, before.games + 100, before.skipped + 100)
    assert [record.getMessage() for record in caplog.records] == [
        f"{games[1]}: 100 games have no move, as if zeros stood in place of games; skipped"
    ]
    assert pack_games(games, tmp_path / "out").empty == 100  # as its manifest says


def test_whoever_finds_the_positions_finds_what_goes_with_them(
    games: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[str] = []
    replace = Path.replace

    def note(path: Path, target: Path) -> Path:
        renamed.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", note)
    pack_games(games, tmp_path / "out", layout="uint8")
    assert renamed == [
        "positions_games.npy",
        "positions_outputs.npy",
        "positions_inputs.npy",
        "positions.json",
    ]


def test_copies_of_a_file_are_told(
    games: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = games[0].with_name("games_copy")
    copy.write_bytes(games[0].read_bytes())
    with caplog.at_level(logging.WARNING, "flowload"):
        pack_games([*games, copy], tmp_path / "out")
    assert caplog.messages == [f"{copy}: the same bytes as {games[0]}; its games are packed twice"]
