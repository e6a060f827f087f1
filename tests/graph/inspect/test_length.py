"""`len(graph)` and `len(batches)` are what a run gives; where nobody knows, they say who decides it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import GraphError, NoDataError, NoLength
from flowload.formats.games import Games
from flowload.formats.molecules import PackedMolecules
from flowload.sample import sample_path
from tests.threads import none_left

N = 103


def data(**options: Any) -> fl.Graph:
    return fl.rows({"x": np.arange(N), "y": np.zeros((N, 2), np.float32)}, **options)


def part(name: str, **parts: Any) -> fl.Graph:
    graph = data() >> fl.split(**parts)
    return graph.drop(*(other for other, _ in graph.ends if other != name))


def given(graph: fl.Graph, **options: Any) -> int:
    with graph.iterate(even="allow", **options) as batches:
        return sum(1 for _ in batches)


GRAPHS: dict[str, Callable[[], fl.Graph]] = {
    "batch": lambda: data() >> fl.batch(10),
    "one": lambda: data() >> fl.batch(1000),
    "drop_last": lambda: data() >> fl.batch(10, drop_last=True),
    "none": lambda: data() >> fl.batch(1000, drop_last=True),
    "whole": lambda: fl.rows(100) >> fl.batch(10),
    "shuffle": lambda: data() >> fl.shuffle() >> fl.batch(7),
    "indices": lambda: data(indices=[3, 3, 5, 99, 0]) >> fl.batch(2),
    "rank 0 of 4": lambda: data() >> fl.shard(0, 4) >> fl.batch(4),
    "rank 3 of 4": lambda: data() >> fl.shuffle() >> fl.shard(3, 4) >> fl.batch(4, drop_last=True),
    "uneven rank 0": lambda: data() >> fl.shard(0, 4, even=False) >> fl.batch(1),
    "uneven rank 3": lambda: data() >> fl.shard(3, 4, even=False) >> fl.batch(1),
    "split train": lambda: part("train", train=0.8, valid=0.2) >> fl.shuffle() >> fl.batch(5),
    "split valid": lambda: part("valid", train=0.8, valid=0.2, salt=3) >> fl.batch(5),
    "split of split": lambda: (part("a", a=0.5, b=0.5) >> fl.split(c=0.5, d=0.5)).drop("d") >> fl.batch(3),
    "listed": lambda: part("a", a=list(range(0, N, 3)), b=[1]) >> fl.batch(4),
    "split and rank": lambda: part("train", train=0.8, valid=0.2) >> fl.shard(1, 3) >> fl.batch(4),
    "map": lambda: data() >> fl.batch(10) >> fl.map(lambda batch: batch) >> fl.to_device("cpu"),
    "cut again": lambda: data() >> fl.batch(10) >> fl.batch(4),
    "merge": lambda: [data() >> fl.batch(10), fl.rows(8) >> fl.batch(3)] >> fl.merge(),
    "mix and cut": lambda: [data(), data()] >> fl.mix(2, 1) >> fl.batch(9),
    "tee": lambda: (data() >> fl.batch(10) >> fl.tee("a", "b")).drop("b"),
    "list of samples": lambda: fl.source([{"x": 1}] * 9, samples=True) >> fl.batch(4),
    "molecules": lambda: fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.bucket(50) >> fl.batch(30),
    "molecules that fit": lambda: (
        fl.rows(PackedMolecules(sample_path("molecules"), 20, too_large="drop")) >> fl.batch(30)
    ),
    "windows": lambda: fl.windows(sample_path("neural"), 200),
    "some windows": lambda: fl.windows(sample_path("neural"), 200, count=3),
    "all rows": lambda: fl.windows(sample_path("neural"), 200, order="sequential"),
    "within": lambda: fl.windows(sample_path("neural"), 200, count=3) >> fl.sample_within(64, 8),
    "within all": lambda: (
        fl.windows(sample_path("neural"), 200, order="sequential") >> fl.sample_within(16, 8)
    ),
    "within, per window": lambda: (
        fl.windows(sample_path("neural"), 200, count=3) >> fl.sample_within(64, 8, per_window=7)
    ),
    "shared windows": lambda: (
        fl.window_starts(sample_path("neural"), 200, count=7)
        >> fl.shard(0, 2)
        >> fl.read_windows()
        >> fl.sample_within(64, 8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_as_many_as_come(name: str) -> None:
    graph = GRAPHS[name]()
    assert len(graph) == given(graph) == operator.length_hint(graph)
    for align in (False, True):
        with graph.iterate(epochs=3, align=align, even="allow") as batches:
            wanted = len(batches)
            assert sum(1 for _ in batches) == wanted


def test_a_run_that_goes_on_has_the_rest() -> None:
    graph = data() >> fl.batch(10)
    with graph.iterate(epochs=2) as batches:
        for _ in range(3):
            next(batches)
        state = batches.state_dict()
        assert len(batches) == 21  # of the whole run, as a progress bar wants it
    assert len(graph.iterate(epochs=2, state=state)) == given(graph, epochs=2, state=state) == 18


def test_outputs_have_each_their_own() -> None:
    parts = data() >> fl.split(train=0.8, valid=0.2)
    graph = fl.outputs(train=parts["train"] >> fl.batch(10), valid=parts["valid"] >> fl.batch(3))
    with pytest.raises(NoLength, match="'train', 'valid': ask one"):
        len(graph)
    with graph.iterate() as run:
        lengths = {name: len(run[name]) for name in ("train", "valid")}
        assert lengths == {name: len(graph[name]) for name in lengths}
        assert {name: sum(1 for _ in run[name]) for name in lengths} == lengths


def odd(batch: Any) -> Any:
    return batch["x"] % 2 == 1


UNKNOWN: dict[str, tuple[Callable[[], fl.Graph], str, int]] = {
    "filter": (lambda: data() >> fl.batch(10) >> fl.filter(odd), "'filter' decides", 0),
    "function": (lambda: fl.source(lambda: iter([])) >> fl.batch(3), "the function decides", 0),
    "games in tars": (lambda: fl.load("pipelines/chess.py"), "'discover' decides", 0),
    "skip": (lambda: data() >> fl.batch(10, on_error="skip"), "at most 11 batches: on_error='skip'", 11),
    "skipping map": (lambda: data() >> fl.batch(10) >> fl.map(odd, on_error="skip"), "at most 11", 11),
    "no batch": (data, r"no batch\(\) in it", 0),
    "split of samples": (
        lambda: (data() >> fl.shard(0, 2) >> fl.split(a=0.5, b=0.5)).drop("b") >> fl.batch(3),
        "split: which rows",
        0,
    ),
    "absent": (lambda: fl.rows(PackedMolecules("nowhere")) >> fl.batch(3), "no folder", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_where_nobody_knows(name: str) -> None:
    make, word, hint = UNKNOWN[name]
    graph = make()
    with pytest.raises(TypeError, match=word):
        len(graph)
    assert operator.length_hint(graph) == hint
    assert bool(graph)


def test_a_run_without_an_end() -> None:
    with (data() >> fl.batch(10)).iterate(epochs=None) as batches:
        with pytest.raises(NoLength, match="epochs=None"):
            len(batches)
        assert operator.length_hint(batches) == 0
        assert bool(batches)


def test_a_run_whose_length_is_unknown_can_be_listed() -> None:
    with (data() >> fl.batch(10) >> fl.filter(odd)).iterate() as batches:
        assert len(list(batches)) == 11


def test_nothing_is_packed_to_count_it(tmp_path: Path) -> None:
    graph = fl.rows(Games(sample_path("games"), tmp_path)) >> fl.batch(1000)
    with pytest.raises(NoLength, match="not packed yet"):
        len(graph)
    wanted = given(graph)  # packs them
    assert len(graph) == wanted


def test_a_recording_that_is_shorter_than_others(tmp_path: Path) -> None:
    for name, rows in (("a", 50), ("b", 20)):
        zarr.create_array(str(tmp_path / f"{name}.zarr"), data=np.ones((rows, 3), np.float32), chunks=(10, 3))
    arrays = [{"x": tmp_path / f"{name}.zarr"} for name in "ab"]
    windows = fl.windows(arrays, 30)
    assert len(windows) == given(windows) == 2
    with pytest.raises(NoLength, match="how long the windows are"):
        len(windows >> fl.sample_within(5, 2))


def test_what_is_opened_is_closed() -> None:
    closed = []

    class Watched(fl.Stage):
        word = "watched"

        def gives(self, incoming: Any) -> Any:
            return {"out": object}

        def amount(self, incoming: Any, setting: Any, opened: Any) -> Any:
            opened.callback(lambda: closed.append(setting.epochs))
            raise NoLength("nobody knows")

    with pytest.raises(NoLength, match="nobody knows"):
        len(fl.place(Watched()))
    assert closed == [1]


def test_peek_is_the_first_batch() -> None:
    graph = data() >> fl.shuffle() >> fl.batch(10)
    with graph.iterate(seed=4) as batches:
        wanted = next(batches)["x"].tolist()
    with none_left():
        assert graph.peek(seed=4)["x"].tolist() == wanted


def test_peek_at_several_outputs() -> None:
    parts = data() >> fl.split(train=0.8, valid=0.2)
    graph = fl.outputs(train=parts["train"] >> fl.batch(4), valid=parts["valid"] >> fl.batch(3))
    assert {name: len(batch["x"]) for name, batch in graph.peek().items()} == {"train": 4, "valid": 3}


def test_peek_where_nothing_comes() -> None:
    with pytest.raises(NoDataError, match="peek: no batch"):
        (data() >> fl.batch(1000, drop_last=True)).peek()
    with pytest.raises(GraphError):
        fl.batch(3).peek()


def test_an_unknown_word_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match="no attribute 'shufle'; did you mean 'shuffle'"):
        fl.shufle()  # type: ignore[attr-defined]
    parts = data() >> fl.split(train=0.8, valid=0.2)
    with pytest.raises(GraphError, match=r"no output 'trian'.*did you mean 'train'"):
        parts["trian"]
    with pytest.raises(AttributeError, match=r"no attribute 'iterat'.*did you mean 'iterate'"):
        parts.iterat()  # type: ignore[attr-defined]


def test_dir_shows_the_outputs() -> None:
    assert {"train", "valid", "iterate", "peek"} <= set(dir(data() >> fl.split(train=0.8, valid=0.2)))
