"""Batches that are sampled on a card are those that are sampled before it; a real connectome among others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.stages.device.neighbours import closure
from flowload.stages.windows.csr import CSR
from tests.device.conftest import Install
from tests.device.flows import read
from tests.device.simulated.cards import MODES, Mode
from tests.device.test_windows import wanted

NEURONS = 60


def ring(neurons: int) -> tuple[Any, Any]:
    """Each listens to the next three."""
    return np.arange(0, 3 * neurons + 1, 3), ((np.arange(neurons)[:, None] + [1, 2, 3]) % neurons).reshape(-1)


def graph(device: str, connectome: Any, neurons: int, chosen: int, *, there: bool) -> fl.Graph:
    """Sampled where the windows are, or before they are copied."""
    data = np.random.default_rng(0).standard_normal((64, neurons)).astype(np.float32)
    windows = fl.windows(lambda a, b: data[a:b], 16, total=64, count=6)
    sampled = fl.sample_within(4, steps=2, neurons=chosen, graph=connectome, per_window=5)
    if there:
        return windows >> fl.to_device(device) >> sampled
    return windows >> sampled >> fl.to_device(device)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", ["plain", "slow", "side", "breaks"])
def test_batches_are_those_of_the_cpu(reader: str, mode: Mode, cards: Install) -> None:
    expected = wanted(graph("cpu", ring(NEURONS), NEURONS, 7, there=False))
    card = cards(mode=mode)
    read(graph("cuda", ring(NEURONS), NEURONS, 7, there=True), card, expected, reader)
    assert not card.faults
    assert card.checks or reader == "breaks"


def test_without_a_card_they_are_tensors_just_so() -> None:
    expected = wanted(graph("cpu", ring(NEURONS), NEURONS, 7, there=False))
    found = wanted(graph("cpu", ring(NEURONS), NEURONS, 7, there=True))
    assert len(found) == len(expected) == 30
    for one, other in zip(found, expected, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


def test_the_connectome_of_a_fly(shared_neural: Path, cards: Install) -> None:
    """13,741 neurons and 434,112 edges."""
    folder = shared_neural / "flyvis_connectome/extent8"
    csr = CSR.of(folder)
    assert (len(csr), len(csr.indices)) == (13_741, 434_112)
    rows = np.random.default_rng(0).permutation(len(csr))[:500]
    tensors = torch.tensor(csr.indptr), torch.tensor(csr.indices), torch.tensor(rows)
    np.testing.assert_array_equal(closure(*tensors).numpy(), csr.closure(rows))
    expected = wanted(graph("cpu", folder, len(csr), 100, there=False))
    card = cards(mode="random")
    read(graph("cuda", folder, len(csr), 100, there=True), card, expected)
    assert not card.faults


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    some=st.integers(0, 12),
)
def test_closure_is_its_twin(counts: list[int], seed: int, some: int) -> None:
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = rng.integers(0, len(counts), indptr[-1]).astype(np.int32)
    rows = rng.permutation(len(counts))[: min(some, len(counts))]
    twin = sorted({*rows.tolist(), *(int(k) for row in rows for k in indices[indptr[row] : indptr[row + 1]])})
    tensors = torch.tensor(indptr), torch.tensor(indices), torch.tensor(rows)
    told = int((indptr[rows + 1] - indptr[rows]).sum())
    assert closure(*tensors).tolist() == closure(*tensors, told).tolist() == twin
    assert CSR(indptr, indices).closure(rows).tolist() == twin
