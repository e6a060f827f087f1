"""Windows of recordings as a stream: which rows come, in which order, and what becomes of bad ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.recordings.recording import Recording, recording
from flowload.stages.windows.window_starts import WindowStarts
from flowload.testing import check_resume, check_stage
from tests.formats.recordings.made import numbers, write_array
from tests.stages.fakes import FakeCall


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """100 rows of 6 neurons, in chunks of 8 rows and 4 neurons."""
    return write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 4), codec="zstd")


def starts(graph: fl.Graph, **how: Any) -> list[int]:
    with graph.iterate(**how) as batches:
        return [int(batch["start"]) for batch in batches]


@pytest.mark.parametrize(("size", "last"), [(25, 25), (30, 10), (1, 1), (99, 1), (100, 100), (101, 100)])
def test_sequential_windows_are_all_rows_once(size: int, last: int, series: Path) -> None:
    with fl.windows(series, size, order="sequential").iterate(epochs=2) as batches:
        found = [batch["a"] for batch in batches]
        stats = batches.stats()
    np.testing.assert_array_equal(np.concatenate(found), np.tile(numbers((100, 6)), (2, 1)))
    assert len(found[-1]) == last
    assert stats.stages["read_windows"].out == 200


@pytest.mark.slow
def test_random_windows_begin_wherever_there_is_room(series: Path) -> None:
    found = starts(fl.windows(series, 96, count=400), seed=3)
    assert len(found) == 400
    assert np.bincount(found).tolist() == pytest.approx([80] * 5, abs=35)
    assert found != starts(fl.windows(series, 96, count=400), seed=4)
    assert found[:7] == starts(fl.windows(series, 96, count=7), seed=3)
    two = starts(fl.windows(series, 20, count=9), seed=3, epochs=2)
    assert two[:9] != two[9:]
    assert len(starts(fl.windows(series, 30))) == 3
    assert starts(fl.windows(series, 1000)) == [0]


def test_several_arrays_begin_at_the_same_row(series: Path, tmp_path: Path) -> None:
    stimulus = numbers((100, 9), "i2")
    other = write_array(tmp_path / "s.zarr", stimulus, (40, 9), version=2)
    graph = fl.windows(
        {"x": series, "stimulus": other}, 17, count=5, columns={"stimulus": 3}, neurons={"x": 5}
    )
    with graph.iterate() as batches:
        for batch in batches:
            rows = slice(int(batch["start"]), int(batch["start"]) + 17)
            np.testing.assert_array_equal(batch["x"], numbers((100, 6))[rows, :5])
            np.testing.assert_array_equal(batch["stimulus"], stimulus[rows, :3])
            assert list(batch) == ["x", "stimulus", "start"]


def test_several_recordings_are_told_apart_and_split(tmp_path: Path) -> None:
    paths = []
    for k, length in enumerate((40, 70, 5, 33, 51)):
        paths.append(tmp_path / f"rec{k}")
        write_array(paths[-1] / "timeseries.zarr", numbers((length, 3)) + 1000 * k, (16, 3))
    with fl.windows(paths, 20, order="sequential").iterate() as batches:
        found = [(int(b["recording"]), int(b["start"]), len(b["timeseries"])) for b in batches]
    assert [(r, s) for r, s, n in found if n == 20 or r == 2] == [
        (0, 0), (0, 20), (1, 0), (1, 20), (1, 40), (2, 0), (3, 0), (4, 0), (4, 20)
    ]  # fmt: skip
    assert sum(n for _, _, n in found) == 199
    parts = fl.window_starts(paths, 20, order="sequential") >> fl.split(by="recording", train=2, valid=1)
    graph = fl.outputs(train=parts["train"] >> fl.read_windows(), valid=parts["valid"] >> fl.read_windows())
    with graph.iterate() as run:
        seen = {name: [int(b["recording"]) for b in run[name]] for name in ("train", "valid")}
    assert sorted(seen["train"] + seen["valid"]) == sorted(r for r, _, _ in found)
    assert not set(seen["train"]) & set(seen["valid"])
    assert seen["valid"]


def test_ranks_share_the_windows(series: Path) -> None:
    whole = starts(fl.windows(series, 10, count=12))
    parts = [
        starts(fl.window_starts(series, 10, count=12) >> fl.shard(k, 3) >> fl.read_windows())
        for k in range(3)
    ]
    assert [part[k] for k in range(4) for part in parts] == whole


def test_windows_can_be_shuffled_and_made_a_batch(series: Path) -> None:
    head = fl.window_starts(series, 24, order="sequential") >> fl.shuffle()
    assert sorted(starts(head >> fl.read_windows())) == [0, 24, 48, 72, 96]
    with (head >> fl.batch(2)).iterate() as batches:
        found = list(batches)
        dropped = batches.stats().stages["batch"].dropped
    assert [batch["a"].shape for batch in found] in ([(2, 24, 6)] * 2, [(2, 24, 6), (1, 24, 6), (1, 24, 6)])
    assert dropped == {"shorter window": 1}
    for batch in found:
        for window, start in zip(batch["a"], batch["start"].tolist(), strict=True):
            np.testing.assert_array_equal(window, numbers((100, 6))[start : start + 24])


def test_the_windows_are_the_same_for_any_number_of_workers(series: Path) -> None:
    told = []
    for workers, cpus in ((1, 1), (3, 2), (16, 4)):
        with fl.windows(series, 33, count=20, workers=workers).iterate(seed=5, cpus=cpus) as batches:
            told.append([(int(b["start"]), b["a"].tobytes()) for b in batches])
    assert told[0] == told[1] == told[2]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["random", "sequential"])
def test_it_goes_on_where_it_stopped(order: Any, series: Path) -> None:
    graph = fl.windows(series, 15, order=order)
    assert check_stage(graph, epochs=2)
    assert check_resume(graph, epochs=2)
    with graph.iterate(seed=9, epochs=3) as batches:
        whole = [batch["a"].tobytes() for batch in batches]
    with graph.iterate(seed=9, epochs=3) as batches:
        first = [next(batches)["a"].tobytes() for _ in range(8)]
        state = batches.state_dict()
    with graph.iterate(seed=9, epochs=3, state=state) as batches:
        assert first + [batch["a"].tobytes() for batch in batches] == whole


def test_the_stats_say_how_arrays_are_read_and_what_was_missing(series: Path) -> None:
    (series / "c/3/1").unlink()
    with fl.windows(series, 50, order="sequential").iterate(epochs=2) as batches:
        for batch in batches:
            if batch["start"] == 0:
                assert (batch["a"][24:32, 4:] == 0).all()
        gauges = batches.stats().stages["read_windows"].gauges
    assert gauges == {"missing_chunks": 2, "arrays_by_pread_zstd": 1}


def test_a_corrupt_chunk_ends_the_run_or_costs_its_windows(series: Path) -> None:
    (series / "c/3/1").write_bytes(b"rubbish")
    with (
        pytest.raises(DataError, match=r"a\.zarr: chunk c/3/1: corrupt chunk"),
        fl.windows(series, 20, order="sequential").iterate() as batches,
    ):
        list(batches)
    graph = fl.windows(series, 20, order="sequential", on_error="skip")
    with graph.iterate() as batches:
        assert [int(batch["start"]) for batch in batches] == [0, 40, 60, 80]
        dropped = batches.stats().stages["read_windows"].dropped
    assert dropped["corrupt chunk"] == 1
    assert dropped.get("window with a bad chunk", 0) in (0, 20)


def test_a_window_that_lost_one_of_its_pieces_is_dropped(tmp_path: Path) -> None:
    arrays = {name: write_array(tmp_path / name, numbers((40, 6)), (8, 6)) for name in "abc"}
    (arrays["b"] / "c/1/0").write_bytes(b"")
    (arrays["c"] / "c/4/0").write_bytes(b"")
    graph = fl.windows(arrays, 16, order="sequential", on_error="skip")
    with graph.iterate(epochs=2) as batches:
        assert [int(batch["start"]) for batch in batches] == [16, 16]
        dropped = batches.stats().stages["read_windows"].dropped
    assert dropped == {"corrupt chunk": 4, "window with a bad chunk": 2 * (16 + 8)}


def test_bad_parameters_are_told_when_the_stage_is_made(series: Path) -> None:
    for wanted, how in (
        ("size is 0", {"size": 0}),
        ("size is True", {"size": True}),
        ("count is 0", {"size": 3, "count": 0}),
        ("order is 'any'", {"size": 3, "order": "any"}),
        ("columns is 0", {"size": 3, "columns": 0}),
        (r"columns for \['b'\]; the arrays are \['a'\]", {"size": 3, "columns": {"b": 1}}),
    ):
        with pytest.raises(GraphError, match=wanted):
            fl.windows(series, **how)
    nothings: list[Any] = [[], {}, 7, [7], ""]
    for nothing in nothings:
        with pytest.raises(GraphError, match="wanted"):
            fl.windows(nothing, 3)
    graph = fl.rows(5) >> fl.read_windows()
    with pytest.raises(GraphError, match="begin no windows"), graph.iterate() as batches:
        next(batches)


def test_arrays_must_be_alike(series: Path, tmp_path: Path) -> None:
    shorter = write_array(tmp_path / "b.zarr", numbers((99, 6)), (8, 4))
    with pytest.raises(
        DataError, match=r"b\.zarr: arrays of different length; found 99 rows of 'y'; wanted the 100"
    ):
        recording({"x": series, "y": shorter}, 10).open()
    wider = write_array(tmp_path / "rec/a.zarr", numbers((50, 7)), (8, 4))
    with pytest.raises(DataError, match="unlike recordings; found a float32"):
        recording([series, wider], 10).open()


def test_a_recording_goes_with_its_metadata(tmp_path: Path) -> None:
    write_array(tmp_path / "timeseries.zarr", numbers((20, 6, 2)), (8, 6, 2))
    assert recording(tmp_path, 5).open().arrays()["timeseries"][0] == (6, 2)
    write_array(tmp_path / "metadata.zarr", numbers((5, 5)), (5, 5))
    with pytest.raises(DataError, match=r"other neurons.*found shape \[5, 5\]; wanted the 6 neurons"):
        recording(tmp_path, 5).open()


def test_other_data_than_when_the_state_was_saved(series: Path, tmp_path: Path) -> None:
    source = WindowStarts(recording(series, 10), None, "random")
    next(source.epoch(0, FakeCall()))
    state = source.state()
    assert state["lengths"] == [100]
    other = write_array(tmp_path / "b.zarr", numbers((50, 6)), (8, 4))
    changed = WindowStarts(recording(other, 10), None, "random")
    changed.restore(state)
    with pytest.raises(NoDataError, match=r"found \[50\] rows; wanted \[100\]"):
        next(changed.epoch(0, FakeCall()))


def test_records_are_values(series: Path) -> None:
    records = recording(series, 10, columns=3)
    assert isinstance(records, Recording)
    assert pickle.loads(pickle.dumps(records)) == records == recording(series, 10, columns=3)
    assert records != recording(series, 10)
    assert "columns=3" in repr(records)
    assert recording(series / "absent", 10).fields("windows") == {}


def test_memory_is_told_in_windows(series: Path) -> None:
    assert fl.windows(series, 10).memory()["read_windows"] >= 2 * 10 * 6 * 4


def test_more_windows_than_can_be_drawn_are_refused_at_once(series: Path) -> None:
    with (
        pytest.raises(DataError, match="too many rows; found 4,611,686,018,427,387,904 windows of a pass"),
        fl.windows(series, 10, count=2**62).iterate() as run,
    ):
        next(run)
    table = recording(series, 10).open()
    table.lengths = [2**40 + 1]
    source = WindowStarts(recording(series, 10), None, "sequential")
    with pytest.raises(DataError, match="too many rows; found 1,099,511,627,777 rows; wanted at most"):
        source.check_sizes(table, table.lengths)
