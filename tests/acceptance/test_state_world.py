"""A state that meets another world is refused by name; one that only moved goes on, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, FlowloadError, GraphError
from flowload.formats.rows import NpyRows
from flowload.sample import sample_path

Make = Callable[[], fl.Graph]

CUT = 3  #: batches before the state


def values(batch: Any) -> Any:
    return {key: np.asarray(array).tobytes() for key, array in batch.items()}


def begun(make: Make, **how: Any) -> tuple[str, list[Any]]:
    """A state, as text, and the batches that come behind it."""
    with make().iterate(seed=1, **how) as batches:
        for _ in range(CUT):
            next(batches)
        state = json.dumps(batches.state_dict())
        return state, [values(batch) for batch in batches]


def went_on(make: Make, state: str, **how: Any) -> list[Any]:
    with make().iterate(seed=1, state=json.loads(state), **how) as batches:
        return [values(batch) for batch in batches]


@pytest.fixture
def games(tmp_path: Path) -> Path:
    folder = tmp_path / "games"
    folder.mkdir()
    whole = sorted(Path(sample_path("chess")).glob("*.tar"))
    for number, path in enumerate(whole):
        shutil.copy(path, folder / f"{number}.tar")
    if len(whole) == 1:
        shutil.copy(whole[0], folder / "1.tar")
    return folder


def chess(folder: Path, *, reservoir: int = 100, **how: Any) -> Make:
    return lambda: (
        fl.discover(folder)
        >> fl.read("lc0")
        >> fl.shard()
        >> fl.shuffle_pool(10)
        >> fl.unpack(rate=0.5, **how)
        >> fl.reservoir(reservoir)
        >> fl.batch(50, layout="bits")
    )


def test_what_may_change(games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, rest = begun(chess(games), cpus=1)
    moved = games.with_name("elsewhere")
    shutil.copytree(games, moved)  # other times, other inodes
    shutil.rmtree(games)
    assert went_on(chess(moved, workers=3), state, cpus=4) == rest
    assert went_on(chess(moved, on_error="skip"), state) == rest
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert went_on(chess(moved), state) == rest
    there, _ = begun(lambda: chess(moved)() >> fl.to_device("auto"))
    assert went_on(lambda: chess(moved)() >> fl.to_device("cpu"), there) == rest


@pytest.mark.slow
def test_a_moved_folder_is_found_from_every_batch(games: Path) -> None:
    """Also where pools and reservoirs hold references to files, which had other paths."""
    states, got = [], []
    with chess(games)().iterate(seed=1) as batches:
        for batch in batches:
            got.append(values(batch))
            states.append(json.dumps(batches.state_dict()))
    moved = games.rename(games.with_name("moved"))
    for cut, state in enumerate(states):
        assert went_on(chess(moved), state) == got[cut + 1 :], cut


def add(folder: Path) -> None:
    shutil.copy(folder / "0.tar", folder / "new.tar")


def remove(folder: Path) -> None:
    (folder / "1.tar").unlink()


def rewrite(folder: Path) -> None:
    bytes_of = bytearray((folder / "1.tar").read_bytes())
    bytes_of[:100] = b"other name".ljust(100, b"\0")
    (folder / "1.tar").write_bytes(bytes_of)


@pytest.mark.parametrize(
    ("change", "told"),
    [(add, r"new: new\.tar"), (remove, r"gone: 1\.tar"), (rewrite, r"1\.tar has other bytes than then")],
)
def test_other_files_are_named(games: Path, change: Callable[[Path], None], told: str) -> None:
    state, _ = begun(chess(games))
    change(games)
    with pytest.raises(DataError, match=rf"discover: other data than when the state was saved; .*{told}"):
        went_on(chess(games), state)


def test_who_knows_better_goes_on_with_other_files(games: Path, caplog: pytest.LogCaptureFixture) -> None:
    state, _ = begun(chess(games))
    add(games)
    assert went_on(chess(games), state, on_change="accept")
    assert "going on with other data than when the state was saved: 2 files when" in caplog.text


def ranked(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(world))


def test_another_rank_or_world_is_refused(games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked(monkeypatch, 0, 2)
    state, rest = begun(chess(games), even="allow")
    ranked(monkeypatch, 1, 2)
    with pytest.raises(GraphError, match=r"'shard': share\.rank was 0, is 1"):
        went_on(chess(games), state, even="allow")
    ranked(monkeypatch, 0, 3)
    with pytest.raises(GraphError, match=r"'shard': share\.world was 2, is 3"):
        went_on(chess(games), state, even="allow")
    ranked(monkeypatch, 0, 2)
    with pytest.raises(GraphError, match="even was 'allow', is 'auto'"):
        went_on(chess(games), state)
    assert went_on(chess(games), state, even="allow") == rest


def numbers() -> Iterator[Any]:
    return ({"x": np.full((8, 2), number)} for number in range(12))


def mapped(fn: Callable[..., Any]) -> fl.Graph:
    return fl.source(numbers, samples=False) >> fl.map(fn) >> fl.batch(16)


def plus(k: object) -> Callable[[Any], Any]:
    return lambda batch: {"x": batch["x"] + k}


def minus(k: object) -> Callable[[Any], Any]:
    return lambda batch: {"x": batch["x"] - k}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (lambda: mapped(plus(0)), lambda: mapped(plus(9)), r"'map': fn\.k was 0, is 9"),
        (lambda: mapped(plus(0)), lambda: mapped(minus(0)), "'map': fn was "),
        (lambda: mapped(plus(0)), lambda: mapped(plus(0)).named("other"), "stage 'other' is new"),
        (
            lambda: fl.rows({"x": np.arange(300)}) >> fl.shuffle() >> fl.batch(16),
            lambda: fl.rows({"x": np.arange(300) * 2}) >> fl.shuffle() >> fl.batch(16),
            r"'rows': records\.arrays\.x was ",
        ),
        (
            lambda: fl.rows(300) >> fl.shuffle() >> fl.batch(16),
            lambda: fl.rows(300) >> fl.shuffle() >> fl.batch(17),
            "'batch': size was 16, is 17",
        ),
    ],
)
def test_other_code_arrays_and_parameters_are_named(before: Make, after: Make, told: str) -> None:
    state, rest = begun(before)
    assert went_on(before, state) == rest
    with pytest.raises(GraphError, match=told) as error:
        went_on(after, state)
    assert "on_change='accept'" in str(error.value)


def test_rows_of_files_are_compared(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()

    def make() -> fl.Graph:
        return fl.rows(NpyRows([folder / "x.npy"])) >> fl.shuffle() >> fl.batch(16)

    np.save(folder / "x.npy", np.arange(200))
    state, rest = begun(make)
    np.save(folder / "x.npy", np.arange(200) * 3)
    with pytest.raises(DataError, match=r"x\.npy has other bytes than then"):
        went_on(make, state)
    np.save(folder / "x.npy", np.arange(300))
    with pytest.raises(DataError, match="rows: was 200, is 300"):
        went_on(make, state)
    folder = folder.rename(tmp_path / "moved")
    np.save(folder / "x.npy", np.arange(200))
    assert went_on(make, state) == rest


def test_another_number_of_passes_is_refused_and_said_to_be_harmless_or_not(games: Path) -> None:
    make = chess(games)
    state, _ = begun(make, epochs=1)
    with pytest.raises(GraphError, match=r"epochs was 1, is 2 \(accepted, it goes on exactly"):
        went_on(make, state, epochs=2)
    with make().iterate(seed=1, epochs=2) as batches:
        whole = [values(batch) for batch in batches]
    assert went_on(make, state, epochs=2, on_change="accept") == whole[CUT:]
    with make().iterate(seed=1) as batches:
        for _ in batches:
            end = json.dumps(batches.state_dict())
    with pytest.raises(GraphError, match="the pools at the end of its last pass were being emptied"):
        went_on(make, end, epochs=2)
    assert went_on(make, end) == []


def test_a_state_goes_through_several_hands(games: Path) -> None:
    """What a resumed run saves knows the same world, also where nothing was read yet."""
    state, rest = begun(chess(games))
    again = json.dumps(chess(games)().iterate(seed=1, state=json.loads(state)).state_dict())
    with chess(games)().iterate(seed=1, state=json.loads(again)) as batches:
        assert values(next(batches)) == rest[0]
        third = json.dumps(batches.state_dict())
    assert went_on(chess(games), third) == rest[1:]
    add(games)
    for each in (state, again, third):
        with pytest.raises(FlowloadError, match=r"new\.tar"):
            went_on(chess(games), each)


def test_lanes_of_other_blocks_are_refused() -> None:
    def make() -> fl.Graph:
        return fl.rows(100) >> fl.shard(lanes=2) >> fl.shuffle() >> fl.batch(16)

    state, _ = begun(make)
    other = json.loads(state)
    other["world"]["stages"]["shard"]["version"] = 1
    with pytest.raises(GraphError, match=r"'shard' makes another stream than .*: version 1 then, 2 now"):
        went_on(make, json.dumps(other))


def test_a_newer_stream_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> fl.Graph:
        return fl.rows(100) >> fl.shuffle() >> fl.batch(16)

    state, _ = begun(make)
    monkeypatch.setattr(type(make().nodes()[1].stage), "stream_version", 99)
    with pytest.raises(GraphError, match=r"'shuffle' makes another stream than .*: version 1 then, 99 now"):
        went_on(make, state)


def test_code_of_another_python_is_not_compared_and_told(caplog: pytest.LogCaptureFixture) -> None:
    state, rest = begun(lambda: mapped(plus(0)))
    other = json.loads(state)
    other["world"]["python"] = "cpython 2.7"
    other["world"]["stages"]["map"]["parameters"]["fn"]["code"] = "other"
    assert went_on(lambda: mapped(plus(0)), json.dumps(other)) == rest
    assert "whether the code of map is the same cannot be told" in caplog.text
    with pytest.raises(GraphError, match=r"fn\.k was 0, is 1"):
        went_on(lambda: mapped(plus(1)), json.dumps(other))


@pytest.mark.parametrize("world", [None, {}, {"stages": 3}, {"stages": {"a": None}}])
def test_a_world_that_is_none_is_refused(world: Any) -> None:
    state, _ = begun(lambda: mapped(plus(0)))
    with pytest.raises(GraphError, match=r"not the state of a run|has gone"):
        went_on(lambda: mapped(plus(0)), json.dumps({**json.loads(state), "world": world}))
