"""At most `prefetch + 1` windows are in memory, however slow their consumer is: counted, and measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import GraphError
from flowload.stages.device.places import Places
from tests.formats.recordings.made import numbers, write_array
from tests.threads import none_left

ROOT = Path(__file__).parents[3]
ROWS, WIDE = 4096, 4096
WINDOW = 1024 * WIDE * 4  #: bytes: 16 MiB


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MiB, of which most was never written: it is read as zeros."""
    where = tmp_path_factory.mktemp("large") / "a.zarr"
    made = zarr.create_array(str(where), shape=(ROWS, WIDE), chunks=(8, WIDE), dtype="f4", compressors=None)
    made[:8] = 1
    return where


def child(path: Path, prefetch: int, dtype: str = "") -> dict[str, int]:
    """What a process of its own takes."""
    command = [
        sys.executable,
        "-m",
        "tests.stages.windows.memory_child",
        str(path),
        "1024",
        str(prefetch),
        dtype,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prefetch", "dtype"),
    [
        pytest.param(1, "", marks=pytest.mark.hammer),
        pytest.param(3, "", marks=pytest.mark.hammer),
        (3, "float16"),
    ],  # each takes four seconds of CPU
)
def test_a_process_holds_so_many_windows_and_no_more(prefetch: int, dtype: str, path: Path) -> None:
    window = WINDOW // 2 if dtype else WINDOW
    found = child(path, prefetch, dtype)
    assert found["told"] == pytest.approx((prefetch + 1) * window, rel=0.1)
    assert (prefetch + 1) * window <= found["buffers"] <= found["told"]
    assert (prefetch + 0.5) * window <= found["peak"] <= (prefetch + 1.5) * window


def most_leased(graph: fl.Graph, prefetch: int, windows: int, batches_each: int = 1) -> int:
    """Buffers made by a run whose consumer waits, at each window, for as many as can come."""
    with graph.iterate(seed=1) as batches:
        for number, _ in enumerate(batches):
            window = number // batches_each
            while batches.stats().buffers_leased < min(prefetch + 1, windows - window):
                sleep(0)
        return batches.stats().buffers_made


@pytest.mark.parametrize("prefetch", [1, 2, 5])
@pytest.mark.parametrize("sampled", [False, True])
def test_the_ring_has_prefetch_and_one_more(prefetch: int, sampled: bool, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 6))
    graph = fl.windows(path, 20, count=12, prefetch=prefetch, workers=3)
    if sampled:
        graph = graph >> fl.sample_within(4, steps=2, per_window=5)
    assert most_leased(graph, prefetch, 12, 5 if sampled else 1) == prefetch + 1
    assert graph.memory()["read_windows"] == (prefetch + 1) * 4096


def test_shorter_windows_take_places_of_whole_ones(tmp_path: Path) -> None:
    paths = [write_array(tmp_path / f"{n}.zarr", numbers((n, 600)), (8, 600)) for n in (70, 90, 51)]
    series = [{"x": path} for path in paths]
    graph = fl.windows(series, 50, order="sequential", prefetch=2)
    with graph.iterate() as batches:
        found = [(int(b["recording"]), int(b["start"]), len(b["x"])) for b in batches]
        assert batches.stats().buffers_made <= 3
    assert found == [(0, 0, 50), (0, 50, 20), (1, 0, 50), (1, 50, 40), (2, 0, 50), (2, 50, 1)]


def test_who_keeps_windows_gets_more_all_the_same(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 6))
    with fl.windows(path, 20, count=12, prefetch=1).iterate(seed=1) as batches:
        kept = list(batches)
    assert len(kept) == 12
    for batch in kept:
        start = int(batch["start"])
        np.testing.assert_array_equal(batch["a"], numbers((100, 6))[start : start + 20])


def test_places_must_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without, more windows are read than were promised."""
    monkeypatch.setattr(Places, "room", lambda *_: True)
    path = write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 6))
    assert most_leased(fl.windows(path, 20, count=12, prefetch=1), 2, 12) > 2


@pytest.mark.parametrize("prefetch", [0, -1, True, 1.0, "2"])
def test_a_prefetch_is_a_number_of_windows(prefetch: Any, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"prefetch is .*; wanted a number of windows from 1"):
        fl.windows(tmp_path, 3, prefetch=prefetch)


def test_two_readers_of_one_ring_wait_for_no_more_than_there_is(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 6))
    graph = fl.windows(path, 20, count=12, prefetch=1) >> fl.tee("a", "b")
    with none_left(), graph.iterate(seed=1) as run:
        starts = [(int(a["start"]), int(b["start"])) for a, b in zip(run["a"], run["b"], strict=True)]
    assert len(starts) == 12
    assert all(one == other for one, other in starts)


def test_two_rings_that_are_mixed_do_not_wait_for_each_other(tmp_path: Path) -> None:
    paths = [write_array(tmp_path / f"{k}.zarr", numbers((100, 6)), (8, 6)) for k in range(2)]
    parts = [fl.windows({"x": path}, 20, count=10, prefetch=1) for path in paths]
    with none_left(), (parts >> fl.mix(1, 3)).iterate(seed=1) as batches:
        assert len(list(batches)) == 20


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_who_leaves_a_full_ring_leaves_nothing(taken: int, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 6))
    graph = fl.windows(path, 20, count=12, prefetch=2) >> fl.sample_within(4, steps=2, per_window=2)
    with none_left(), graph.iterate(seed=1) as batches:
        held = [next(batches) for _ in range(taken)]
        while batches.stats().buffers_leased < 3:
            sleep(0)
        del held
