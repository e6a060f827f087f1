"""Windows that a function loads: which rows, how far ahead, what it may return, and what it raises."""

from __future__ import annotations

import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.errors import DataError, GraphError, UserCodeError
from flowload.stages.windows.loaded import keeping
from flowload.testing import check_resume, check_stage
from tests.stages.windows.loads import Loads
from tests.threads import give_way, none_left

T = 200
TURNS = 100_000  #: of other threads
DATA = np.arange(T * 3, dtype=np.float32).reshape(T, 3)


class Load(Loads):
    """Gives rows of DATA."""

    def __call__(self, start: int, end: int) -> tuple[Any, Any]:
        made = DATA[start:end].copy(), -DATA[start:end, :1]
        self.note(start, end, made[0])
        return made


def test_windows_come_in_the_order_of_the_calls_by_the_seed_of_the_run() -> None:
    load = Load()
    graph = fl.windows(load, 20, total=T, count=7)
    with none_left(), graph.iterate(seed=4) as batches:
        for number, batch in enumerate(batches):
            start, end = load.calls[number]
            assert (int(batch["start"]), end - start) == (start, 20)
            np.testing.assert_array_equal(batch["0"], DATA[start:end])
            np.testing.assert_array_equal(batch["1"], -DATA[start:end, :1])
    first = load.calls.copy()
    load.calls.clear()
    with graph.iterate(seed=4) as batches:
        assert len(list(batches)) == 7
    assert load.calls == first
    with graph.iterate(seed=5) as batches:
        assert [int(batch["start"]) for batch in batches] != [start for start, _ in first]


def test_starts_are_those_of_an_array(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", DATA)
    graph = fl.windows(lambda a, b: DATA[a:b], 20, total=T, rows=(30, 170), order="sequential", stride=60)
    with graph.iterate() as batches:
        assert [(int(batch["start"]), batch["x"][0, 0]) for batch in batches] == [
            (30, 90.0), (90, 270.0), (150, 450.0)
        ]  # fmt: skip


@pytest.mark.parametrize("prefetch", [1, 3])
def test_no_more_are_made_than_is_said(prefetch: int) -> None:
    load = Load()
    with fl.windows(load, 10, total=T, count=20, prefetch=prefetch).iterate() as batches:
        batch: Any = None
        for given in range(8):
            load.wait(given + prefetch + (given == 0))
            for _ in range(TURNS):  # a call that is over may hold what it gave until its thread has a turn
                if load.living() <= prefetch + 1:
                    break
                give_way()
            assert load.living() <= prefetch + 1
            batch = next(batches)
        assert len(load.calls) <= 8 + prefetch
        del batch


def test_a_slice_of_a_window_keeps_its_place() -> None:
    load = Load()
    with fl.windows(load, 10, total=T, count=9, prefetch=1).iterate() as batches:
        part = next(batches)["0"][3:5]
        load.wait(2)
        second = next(batches)
        assert len(load.calls) == 2  # two are in use: the slice's window, and this one
        assert part.shape == (2, 3)
        del part
        load.wait(3)
        del second


@pytest.mark.parametrize("workers", [None, 3])
def test_calls_at_once(workers: int | None) -> None:
    """One, unless more are asked for: then three meet."""
    inside, lock = [0, 0], threading.Lock()
    meet = threading.Barrier(workers or 1)

    def load(start: int, end: int) -> Any:
        with lock:
            inside[0] += 1
            inside[1] = max(inside)
        meet.wait(20)
        with lock:
            inside[0] -= 1
        return DATA[start:end]

    heads = fl.window_starts(load, 10, total=T, count=6)
    for graph in (
        fl.windows(load, 10, total=T, count=6, workers=workers),
        heads >> fl.read_windows(workers=workers),
    ):
        inside[:] = 0, 0
        with graph.iterate(cpus=4) as batches:
            assert len(list(batches)) == 6
        assert inside == [0, workers or 1]


@pytest.mark.parametrize(
    "kind",
    [lambda x: {"a": x, "n": np.array([7])}, lambda x: [x, torch.as_tensor(x[:, 0].copy())], torch.tensor],
)
def test_what_a_function_may_return(kind: Callable[[Any], Any]) -> None:
    graph = fl.windows(lambda a, b: kind(DATA[a:b]), 10, total=T, count=2) >> fl.to_device("cpu")
    with graph.iterate() as batches:
        for batch in batches:
            start = int(batch["start"])
            first = next(iter(batch.values()))
            assert torch.equal(first, torch.tensor(DATA[start : start + 10]))
            assert ("n" not in batch) or batch["n"].tolist() == [7]


def test_maps_of_files_are_read_and_are_the_readers_own(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", DATA)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with fl.windows(lambda a, b: mapped[a:b], 10, total=T, count=3).iterate() as batches:
        for batch in batches:
            batch["x"] += 1
    np.testing.assert_array_equal(mapped, DATA)


def test_samples_within() -> None:
    graph = fl.windows(lambda a, b: DATA[a:b], 40, total=T, count=3) >> fl.sample_within(8, steps=2)
    with graph.iterate() as batches:
        found = list(batches)
    assert len(found) == 15
    assert found[0]["x"].shape == (40, 3)
    assert found[0]["x"] is found[4]["x"]


def fails(error: BaseException) -> Any:
    load = Load()

    def load_rows(start: int, end: int) -> Any:
        if len(load.calls) == 2:
            raise error
        return load(start, end)

    return load_rows


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError("disk on fire"), OSError), (StopIteration(), UserCodeError)]
)
def test_what_it_raises_names_the_rows(error: BaseException, raised: type[BaseException]) -> None:
    with (
        none_left(),
        fl.windows(fails(error), 10, total=T, count=9).iterate() as batches,
        pytest.raises(raised) as told,  # it may overtake windows that wait
    ):
        list(batches)
    notes = " ".join([*getattr(told.value, "__notes__", []), *getattr(error, "__notes__", [])])
    assert "in load_rows(" in notes


def test_bad_windows_may_be_skipped() -> None:
    graph = fl.windows(fails(DataError("bad", where="there")), 10, total=T, count=9, on_error="skip")
    with graph.iterate() as batches:
        assert len(list(batches)) == 2
        assert batches.stats().stages["read_windows"].dropped == {"bad": 7}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (None, r"load\(0, 10\) returned None; wanted an array"),
        ((), r"returned \(\); wanted an array"),
        ({"start": DATA}, "returned a dict with 'start'"),
        ({3: DATA}, "returned a dict with 3"),
        (np.zeros((9, 2)), r"load\(0, 10\) returned no array of 10 rows, but 'x' \[9, 2\]"),
    ],
)
def test_what_it_may_not_return(made: Any, wanted: str) -> None:
    def load(start: int, end: int) -> Any:
        return made

    with pytest.raises(ValueError, match=wanted), fl.windows(load, 10, total=10).iterate() as batches:
        next(batches)


async def waits(start: int, end: int) -> Any:
    return DATA[start:end]


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({}, "total is None"),
        ({"total": 0}, "total is 0"),
        ({"total": 50, "select": {"x": "y"}}, "select is for files"),
        ({"total": 50, "columns": 2}, "columns is for files"),
        ({"total": 50, "dtype": "float16"}, "dtype is for files"),
        ({"total": 50, "missing": "skip"}, "missing is for files"),
        ({"total": 50, "rows": (10, 60)}, r"rows is \(10, 60\); wanted .* of 50 rows"),
        ({"total": 50, "rows": (10, 15)}, r"rows is \(10, 15\); wanted at least the 10"),
        ({"total": 50, "rows": 7}, "rows is 7"),
        ({"total": 50, "weights": [1, 1]}, None),
    ],
)
def test_what_is_not_for_functions(how: dict[str, Any], wanted: str | None) -> None:
    if wanted is None:
        with (
            pytest.raises(GraphError, match="of 2 recordings"),
            fl.windows(Load(), 10, **how).iterate() as batches,
        ):
            next(batches)
        return
    with pytest.raises(GraphError, match=wanted):
        fl.windows(Load(), 10, **how)


def test_other_mistakes(tmp_path: Any) -> None:
    with pytest.raises(GraphError, match="async"):
        fl.windows(waits, 10, total=20)
    with pytest.raises(GraphError, match="total goes with a function"):
        fl.windows(tmp_path, 10, total=20)
    with (
        pytest.raises(GraphError, match="read by read_windows, not by batch"),
        (fl.window_starts(Load(), 10, total=20) >> fl.batch(2)).iterate() as batches,
    ):
        next(batches)


def test_it_passes_the_exams() -> None:
    graph = fl.windows(lambda a, b: DATA[a:b], 15, total=T)
    assert check_stage(graph, epochs=2)
    assert check_resume(graph, epochs=2)
    assert len(graph) == T // 15


def test_memory_goes_when_its_last_view_goes() -> None:
    class Kept:
        pass

    kept = Kept()
    gone = weakref.ref(kept)
    array = keeping(np.arange(12.0).reshape(3, 4), kept)
    view = array[1:, 2]
    del kept, array
    assert gone() is not None
    assert view.tolist() == [6.0, 10.0]
    del view
    assert gone() is None
    empty = np.empty((0, 3))
    assert keeping(empty, 1) is empty


def test_memory_is_learned_from_the_calls_and_before_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    graph = fl.windows(abs_rows, 50, total=T, order="sequential", prefetch=2)
    before = graph.iterate(seed=0).state_dict()
    for _ in range(2):
        assert graph.memory()["read_windows"] == 0
    assert [record.message for record in caplog.records] == [
        "graph.memory(): windows of abs_rows are not counted: their size is known when it was called"
    ]
    with graph.iterate() as batches:
        next(batches)
        assert graph.memory()["read_windows"] == 3 * 50 * 3 * 4  # the ring: one in use and two ahead
    assert graph.memory()["read_windows"] == 3 * 50 * 3 * 4
    assert len(caplog.records) == 1
    assert graph.iterate(seed=0).state_dict() == before, "what was learned is no part of the graph"


def test_what_was_learned_does_not_travel() -> None:
    (placed, _) = fl.windows(abs_rows, 50, total=T).plan.nodes
    records = placed.stage.records  # type: ignore[attr-defined]
    records.learned.note(7)
    copied = pickle.loads(pickle.dumps(records))
    assert copied == records
    assert copied.learned.nbytes == 0


def abs_rows(start: int, end: int) -> Any:
    return np.abs(DATA[start:end])
