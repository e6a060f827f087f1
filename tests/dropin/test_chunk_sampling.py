"""`calculate_chunk_params` and `sample_batch_within_chunk`, compared with slow twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowload.dropin import calculate_chunk_params, sample_batch_within_chunk
from tests.dropin.twins import chunk_params, needed


@pytest.mark.parametrize(
    ("total", "chunk", "batch", "passes"),
    [(967_680, 65_536, 256, 1), (967_680, 65_536, 256, 20), (1000, 4000, 10, 3), (100, 100, 100, 1)],
)
def test_arithmetic(total: int, chunk: int, batch: int, passes: int) -> None:
    found = calculate_chunk_params(
        total_timesteps=total, chunk_size=chunk, batch_size=batch, data_passes_per_epoch=passes
    )
    assert found == chunk_params(total, chunk, batch, passes)
    assert tuple(map(type, found)) == (int, int, int)


def test_the_published_figures() -> None:
    assert calculate_chunk_params(967_680, 65_536, 256, 1) == (14, 256, 3780)


@pytest.mark.parametrize(
    ("values", "word"),
    [((10, 5, 20, 1), "lower batch"), ((100, 5, 10, 1), "raise size"), ((100, 80, 9, 0), "passes")],
)
def test_numbers_that_give_nothing(values: tuple[int, int, int, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        calculate_chunk_params(*values)


GRAPH = ([1, 2, 4, 0, 3, 3], [0, 3, 4, 4, 5, 6])  # rows: 1 2 4 | 0 | - | 3 | 3


def sample(rows: int = 30, steps: int = 4, size: int = 200, zeroed: int = 2, graph: Any = GRAPH) -> Any:
    indices, indptr = graph
    return sample_batch_within_chunk(
        chunk_data=torch.zeros(rows, 5),
        chunk_stim=torch.zeros(rows, 2),
        wmat_indices=indices,
        wmat_indptr=indptr,
        batch_size=size,
        total_steps=steps,
        num_neurons_to_zero=zeroed,
        device=torch.device("cpu"),
    )


def test_rows_leave_room_for_the_steps() -> None:
    torch.manual_seed(0)
    rows, _, _ = sample()
    assert (rows.dtype, rows.shape) == (torch.int64, (200,))
    assert (int(rows.min()), int(rows.max())) == (0, 25)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda x: torch.tensor(x, dtype=torch.int32)])
@pytest.mark.parametrize("zeroed", [1, 3, 5])
def test_neurons_and_what_they_need(kind: Any, zeroed: int) -> None:
    for seed in range(8):
        torch.manual_seed(seed)
        _, chosen, wanted = sample(zeroed=zeroed, graph=(kind(GRAPH[0]), kind(GRAPH[1])))
        assert len(set(chosen.tolist())) == zeroed
        assert wanted.tolist() == needed(*GRAPH, chosen.tolist())
        assert chosen.dtype == wanted.dtype == torch.int64


@given(st.data())
def test_any_graph(data: st.DataObject) -> None:
    lists = data.draw(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=5, max_size=5))
    indices, indptr = [j for row in lists for j in row], np.cumsum([0, *map(len, lists)]).tolist()
    zeroed = data.draw(st.integers(1, 5))
    _, chosen, wanted = sample(zeroed=zeroed, graph=(indices, indptr))
    assert wanted.tolist() == needed(indices, indptr, chosen.tolist())


def test_no_neurons() -> None:
    _, chosen, wanted = sample(zeroed=0)
    assert (chosen.tolist(), wanted.tolist(), chosen.dtype) == ([], [], torch.int64)


def test_repeatable_by_torchs_seed() -> None:
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append([tensor.tolist() for tensor in sample()])
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"rows": 4}, "total_steps is 4"),
        ({"steps": -1}, "total_steps is -1"),
        ({"zeroed": 6}, "num_neurons_to_zero is 6"),
        ({"graph": ([0], [0, 1])}, "wmat_indptr has 2"),
    ],
)
def test_what_cannot_be_drawn(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        sample(**wrong)
