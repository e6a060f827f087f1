"""`RandomChunkLoader`: which windows, how far ahead, and every way out."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flowload.dropin import RandomChunkLoader
from flowload.errors import ClosedRun, UserCodeError
from tests.stages.windows.loads import Loads
from tests.threads import none_left

T = 100


class Recording(Loads):
    """Rows that say which they are; called once at a time."""

    def __init__(self, arrays: int = 2) -> None:
        super().__init__()
        self.arrays = arrays
        self.called = threading.Lock()

    def __call__(self, start: int, end: int) -> tuple[np.ndarray[Any, Any], ...]:
        assert self.called.acquire(blocking=False)
        rows = np.arange(start, end, dtype=np.float32)
        made = tuple(rows[:, None] * (k + 1) + np.zeros(k + 2, np.float32) for k in range(self.arrays))
        self.called.release()
        self.note(start, end, made[0])
        return made


def loader_of(load: Any, size: int = 10, **options: Any) -> RandomChunkLoader:
    return RandomChunkLoader(load, T, size, "cpu", **options)


def starts(loader: RandomChunkLoader, count: int) -> list[int]:
    loader.start_epoch(count)
    found = []
    while (chunk := loader.get_next_chunk()[0]) is not None:
        found.append(int(chunk[0, 0]))
    return found


@pytest.mark.parametrize("arrays", [1, 2, 3])
def test_chunks_in_the_order_of_the_calls(arrays: int) -> None:
    load = Recording(arrays)
    with none_left():
        loader = loader_of(load)
        loader.start_epoch(num_chunks=5)
        for number in range(5):
            chunk = loader.get_next_chunk()
            start, end = load.calls[number]
            assert (end - start, len(chunk)) == (10, arrays)
            for k, tensor in enumerate(chunk):
                assert isinstance(tensor, torch.Tensor)
                assert (tensor.device.type, tensor.dtype, tensor.shape) == ("cpu", torch.float32, (10, k + 2))
                assert tensor[:, 0].tolist() == [row * (k + 1) for row in range(start, end)]
        assert loader.get_next_chunk() == loader.get_next_chunk() == (None,) * arrays
        assert len(load.calls) == 5
        assert loader.get_stats() == {"chunks_loaded": 5, "chunks_transferred": 5}
        loader.cleanup()


def test_starts_are_uniform_to_both_ends() -> None:
    found = starts(loader_of(Recording(), size=91), 400)  # starts 0 to 9
    counts = np.bincount(found, minlength=10)
    assert len(counts) == 10
    assert counts.min() > 15  # 40 are expected; four standard deviations are 24


def test_epochs_differ_and_repeat_by_seed() -> None:
    loader, again, other = loader_of(Recording()), loader_of(Recording()), loader_of(Recording(), seed=1)
    first, second = starts(loader, 8), starts(loader, 8)
    assert first != second
    assert [starts(again, 8), starts(again, 8)] == [first, second]
    assert starts(other, 8) != first


def test_a_short_recording_is_one_chunk() -> None:
    load = Recording()
    loader = loader_of(load, size=1000)
    assert starts(loader, 2) == [0, 0]
    assert load.calls == [(0, T), (0, T)]


@pytest.mark.parametrize("prefetch", [1, 2, 5])
def test_it_loads_so_many_ahead_and_no_more(prefetch: int) -> None:
    load = Recording()
    loader = loader_of(load, prefetch=prefetch)
    loader.start_epoch(20)
    chunk: Any = None
    for given in range(6):
        loaded = given + prefetch + (chunk is None)
        load.wait(loaded)  # they come while nobody asks
        assert len(load.calls) == loaded
        assert load.living() <= prefetch + 1
        chunk = loader.get_next_chunk()
    loader.cleanup()


def test_loading_goes_on_while_a_chunk_is_used() -> None:
    load = Recording()
    loader = loader_of(load)
    loader.start_epoch(3)
    loader.get_next_chunk()
    load.wait(2)
    loader.cleanup()


def test_arrays_of_different_lengths_and_of_views_that_are_read_only(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(T))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    loader = loader_of(lambda start, end: (mapped[start:end], np.array([start]), torch.arange(3)))
    loader.start_epoch(1)
    rows, where, given = loader.get_next_chunk()
    assert rows is not None
    assert where is not None
    assert given is not None
    assert rows.tolist() == list(range(int(where[0]), int(where[0]) + 10))
    assert given.tolist() == [0, 1, 2]
    rows += 1  # it is the caller's, and the file stays as it is
    loader.cleanup()
    assert mapped.tolist() == list(range(T))


def test_one_array_needs_no_tuple() -> None:
    loader = loader_of(lambda start, end: np.zeros(end - start))
    loader.start_epoch(1)
    assert len(loader.get_next_chunk()) == 1
    assert loader.get_next_chunk() == (None,)


def test_an_epoch_without_chunks() -> None:
    loader = loader_of(Recording())
    loader.start_epoch(0)
    assert loader.get_next_chunk() == (None, None)


def fails_at(number: int, error: BaseException) -> Callable[[int, int], Any]:
    load = Recording()

    def fail(start: int, end: int) -> Any:
        if len(load.calls) == number:
            raise error
        return load(start, end)

    return fail


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError("disk on fire"), OSError), (StopIteration(), UserCodeError)]
)
def test_what_load_fn_raises_is_raised(error: BaseException, raised: type[BaseException]) -> None:
    with none_left():
        loader = loader_of(fails_at(2, error))
        loader.start_epoch(5)
        with pytest.raises(raised):  # it may overtake the two that wait before it
            all(loader.get_next_chunk()[0] is not None for _ in range(3))
        loader.cleanup()


def test_load_fn_that_returns_nothing_is_told() -> None:
    loader = loader_of(lambda start, end: None)
    loader.start_epoch(1)
    with pytest.raises(ValueError, match=r"load_fn\(.*\) returned None"):
        loader.get_next_chunk()
    loader.cleanup()


def test_every_way_out_leaves_nothing() -> None:
    with none_left():
        loader = loader_of(Recording())
        loader.cleanup()  # nothing has begun
        loader.start_epoch(20)  # and is left at once
        loader.start_epoch(20)
        loader.get_next_chunk()
        loader.start_epoch(2)
        assert loader.get_next_chunk()[0] is not None
        loader.cleanup()
        loader.cleanup()
        with pytest.raises(ClosedRun, match="start_epoch"):
            loader.get_next_chunk()
        assert len(starts(loader, 3)) == 3


def test_a_loader_that_is_forgotten_leaves_nothing() -> None:
    with none_left():
        loader = loader_of(Recording())
        loader.start_epoch(20)
        loader.get_next_chunk()
        del loader
        gc.collect()


@pytest.mark.parametrize(
    "wrong",
    [{"chunk_size": 0}, {"total_timesteps": 0}, {"prefetch": 0}, {"device": "gpu"}, {"chunk_size": 1.5}],
)
def test_sizes_that_make_no_window(wrong: dict[str, Any]) -> None:
    options = {"total_timesteps": T, "chunk_size": 10, "device": "cpu", **wrong}
    with pytest.raises(ValueError, match="wanted"):
        RandomChunkLoader(Recording(), **options)


def test_a_number_of_chunks_that_is_none() -> None:
    with pytest.raises(ValueError, match="num_chunks is -1"):
        loader_of(Recording()).start_epoch(-1)
