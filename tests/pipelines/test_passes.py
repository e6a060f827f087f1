"""Passes of recordings by their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.sample import sample_path

Batches = list[tuple[int, dict[str, bytes]]]


def read(graph: fl.Graph, **how: Any) -> Batches:
    with graph.iterate(seed=5, **how) as run:
        return [(run.epoch, {key: as_bytes(array) for key, array in batch.items()}) for batch in run]


def as_bytes(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def sampled() -> fl.Graph:
    return fl.windows(sample_path("neural"), 512) >> fl.sample_within(64, steps=8)


def test_a_pass_that_is_kept_apart_is_a_run_of_its_own() -> None:
    whole = read(sampled(), epochs=3, align=True)
    parts = [read(sampled(), first_epoch=e) for e in range(3)]
    assert whole == parts[0] + parts[1] + parts[2]
    assert len({str([batch for _, batch in part]) for part in parts}) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: fl.windows(sample_path("neural"), 512, count=5),
        lambda: fl.windows(sample_path("neural"), 512, order="sequential"),
    ],
)
def test_where_passes_share_nothing_it_is_what_follows_in_a_longer_run(make: Callable[[], fl.Graph]) -> None:
    parts = [read(make(), first_epoch=e) for e in range(3)]
    assert read(make(), epochs=3) == parts[0] + parts[1] + parts[2]
