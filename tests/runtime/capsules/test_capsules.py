"""What a call failed at is kept in a small file, and the call can be made again, alone."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.graph import Graph
from flowload.observe.stall import StallWatch
from flowload.runtime.capsules.write import MOST
from flowload.sample import sample_path


def capsules(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def picky(batch: Any) -> Any:
    if (batch["x"] == 37).any():
        raise ValueError("37 is bad")
    return batch


def rows(fn: Any = picky) -> Graph:
    return fl.rows({"x": np.arange(100)}) >> fl.shuffle() >> fl.batch(10) >> fl.map(fn)


def test_a_failure_of_user_code_is_made_again_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="37 is bad"), rows().iterate(seed=1, capsules=tmp_path) as batches:
        list(batches)
    (told,) = capsules(tmp_path)
    assert (told["why"], told["node"], told["run"]["seed"]) == ("failure", "map", 1)
    assert told["error"]["message"] == "37 is bad"
    assert any("picky" in line for line in told["error"]["stack"])
    assert len(told["digest"]) == 32
    threads: list[int] = []

    def noted(batch: Any) -> Any:
        threads.append(threading.get_ident())
        return picky(batch)

    with pytest.raises(ValueError, match="37 is bad") as error:
        fl.replay(only(tmp_path), rows(noted))
    assert "in stage 'map'" in error.value.__notes__[0]
    assert threads == [threading.get_ident()]  # one call, here
    assert fl.replay(only(tmp_path), rows(lambda batch: batch)).samples == 10


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "games.tar"
    shutil.copy(sorted(Path(sample_path("chess")).glob("*.tar"))[0], path)
    with (fl.discover(path) >> fl.read("lc0")).iterate() as chunks:
        chunk = next(chunks).table[2]
    data = bytearray(path.read_bytes())
    begin = int(chunk["offset"]) + 40
    data[begin : begin + 60] = b"\xff" * 60
    path.write_bytes(data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_bad_record_is_named_and_made_again(tmp_path: Path, damaged: Path, on_error: Any) -> None:
    graph = fl.discover(damaged) >> fl.read("lc0") >> fl.unpack(on_error=on_error) >> fl.batch(64)
    folder = tmp_path / "capsules"
    try:
        with graph.iterate(capsules=folder) as batches:
            list(batches)
    except DataError:
        assert on_error == "raise"
    (told,) = capsules(folder)
    assert told["why"] == "bad record"
    assert told["error"]["where"].startswith(str(damaged))
    assert len(told["digest"]) == 32
    assert (folder / only(folder)).stat().st_size < 20_000
    with pytest.raises(DataError) as error:
        fl.replay(only(folder), graph)
    assert error.value.where == told["error"]["where"]
    shutil.copy(sorted(Path(sample_path("chess")).glob("*.tar"))[0], damaged)
    told["block"]["sources"] = [[path, key, ""] for path, key, _ in told["block"]["sources"]]
    only(folder).write_text(json.dumps(told))  # of the file as it was
    done = fl.replay(only(folder), graph)
    assert done.changed
    assert done.samples


def test_a_source_is_asked_up_to_where_it_failed(tmp_path: Path) -> None:
    def numbers() -> Iterator[Any]:
        for number in range(5):
            if number == 3:
                raise RuntimeError("no three")
            yield {"x": np.full(2, number)}

    graph = fl.source(numbers, samples=False) >> fl.batch(2)
    with pytest.raises(RuntimeError), graph.iterate(capsules=tmp_path) as batches:
        list(batches)
    with pytest.raises(RuntimeError, match="no three"):
        fl.replay(only(tmp_path), graph)


class Grudge:
    def __init__(self) -> None:
        self.seen = 0

    def push(self, block: Any, call: Any) -> list[Any]:
        self.seen += len(block)
        if self.seen > 50:
            raise RuntimeError("enough")
        return [block]

    def flush(self, call: Any) -> list[Any]:
        return []


def test_a_fold_is_made_again_with_what_came_before(tmp_path: Path) -> None:
    graph = fl.rows({"x": np.arange(100)}) >> fl.batch(10) >> fl.fold(Grudge)
    with pytest.raises(RuntimeError), graph.iterate(capsules=tmp_path) as batches:
        list(batches)
    (told,) = capsules(tmp_path)
    assert told["number"] == 5
    with pytest.raises(RuntimeError, match="enough"):
        fl.replay(only(tmp_path), graph)


def test_they_are_few_and_each_failure_has_one(tmp_path: Path) -> None:
    def refuses(batch: Any) -> Any:
        raise DataError("bad", where=f"row {batch['x'][0]}")

    graph = fl.rows({"x": np.arange(100)}) >> fl.batch(1) >> fl.map(refuses, on_error="skip")
    with graph.iterate(capsules=tmp_path) as batches:
        assert list(batches) == []
    assert len(list(tmp_path.iterdir())) == MOST
    assert len({told["number"] for told in capsules(tmp_path)}) == MOST


def test_a_folder_that_cannot_be_written_is_told_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="37"), rows().iterate(capsules=tmp_path / "file") as batches:
        list(batches)
    assert "could not be written" in caplog.text


def test_a_stall_has_a_capsule(tmp_path: Path) -> None:
    go, told = threading.Event(), threading.Event()

    def waits(batch: Any) -> Any:
        go.wait(60)
        return batch

    graph = rows(waits)
    with graph.iterate(capsules=tmp_path) as batches, StallWatch(batches, 0.2, lambda _: told.set()):
        reader = threading.Thread(target=lambda: next(batches))
        reader.start()
        assert told.wait(60)
        go.set()
        reader.join()
    assert capsules(tmp_path)[0]["why"] == "stall"
    assert fl.replay(sorted(tmp_path.iterdir())[0], graph).samples == 10


def test_without_a_drawing_or_a_capsule_there_is_nothing_to_replay(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="37"), rows().iterate(capsules=tmp_path) as batches:
        list(batches)
    with pytest.raises(GraphError, match="drawn in a script"):
        fl.replay(only(tmp_path))
    with pytest.raises(GraphError, match="no operator 'map'"):
        fl.replay(only(tmp_path), fl.rows(3) >> fl.batch(2))
    (tmp_path / "other").write_text("{}")
    with pytest.raises(DataError, match="no capsule"):
        fl.replay(tmp_path / "other", rows())
