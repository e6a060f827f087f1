"""The shipped pipeline on the shipped recording, and what its options do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import OptionError
from flowload.formats.recordings.recording import simulate
from flowload.sample import sample_path

PIPELINE = Path(__file__).parents[2] / "pipelines/neural.py"
SAMPLE = sample_path("neural")


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    return np.asarray(zarr.open_array(SAMPLE / "timeseries.zarr", mode="r")[:])


def test_without_arguments_it_gives_batches_of_the_sample(series: np.ndarray) -> None:
    with fl.load(PIPELINE).iterate() as batches:
        found = 0
        for batch in batches:
            start = int(batch["start"])
            assert batch["timeseries"].shape == (512, 32, 4)
            assert batch["index"].shape == (64,)
            assert int(batch["index"].max()) < 512 - 8
            if found % 8 == 0:
                np.testing.assert_array_equal(batch["timeseries"].numpy(), series[start : start + 512])
            found += 1
        stats = batches.stats()
    assert found == 3 * 8
    assert stats.chunk_wait.waits == 2  # windows, behind the first
    assert stats.as_json()["chunk_wait"]["waits"] == 2


def test_whole_windows_in_the_datas_own_order(series: np.ndarray) -> None:
    with fl.load(
        PIPELINE, batch_size=0, shuffle=False, size=500, columns=1, device="cpu"
    ).iterate() as batches:
        found = np.concatenate([batch["timeseries"].numpy() for batch in batches])
    np.testing.assert_array_equal(found, series[:, :, :1])


def test_neurons_are_chosen_with_the_graph_of_the_data() -> None:
    with fl.load(PIPELINE, choose=2, count=1, order="sequential").iterate() as batches:
        sizes = {len(batch["neurons"]) for batch in batches}
    assert max(sizes) <= 2 * 5
    assert min(sizes) >= 5


@pytest.mark.slow
def test_columns_by_name_in_a_range_of_rows_in_half_the_bytes(series: np.ndarray) -> None:
    graph = fl.load(
        PIPELINE,
        size=100,
        column=2,
        stimulus_column=1,
        stimuli=5,
        begin=64,
        end=400,
        dtype="float16",
        prefetch=1,
    )
    with graph.iterate(seed=2) as batches:
        for batch in batches:
            start = int(batch["start"])
            assert 64 <= start <= 300
            rows = series[start : start + 100].astype(np.float16)
            np.testing.assert_array_equal(batch["data"].numpy(), rows[:, :, 2])
            np.testing.assert_array_equal(batch["stimulus"].numpy(), rows[:, :5, 1])
            assert set(batch) == {"index", "data", "stimulus", "start"}


def test_ranks_share_the_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def starts() -> list[int]:
        with fl.load(PIPELINE, batch_size=0, count=6).iterate(seed=4) as batches:
            return [int(batch["start"]) for batch in batches]

    whole = starts()
    monkeypatch.setenv("WORLD_SIZE", "2")
    parts = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        parts.append(starts())
    assert [part[k] for k in range(3) for part in parts] == whole


def test_an_unknown_option() -> None:
    with pytest.raises(OptionError, match="batch_size"):
        fl.load(PIPELINE, batch=3)


def test_the_sample_is_what_is_simulated(tmp_path: Path) -> None:
    made = simulate(tmp_path / "rec")
    for name in ("indptr", "indices"):
        np.testing.assert_array_equal(np.load(made / f"{name}.npy"), np.load(SAMPLE / f"{name}.npy"))
    for name in ("timeseries.zarr", "metadata.zarr"):
        own, shipped = (zarr.open_array(folder / name, mode="r")[:] for folder in (made, SAMPLE))
        np.testing.assert_array_equal(own, shipped)
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*")) < 400_000
