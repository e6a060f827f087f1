"""Rows by runs: what is read covers what is wanted, once, in pieces that fit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.formats.rows import runs
from flowload.formats.rows.runs import gather_runs, plan_runs
from tests.stages.fakes import FakeCall

ROWS = st.lists(st.integers(0, 60), max_size=50).map(lambda rows: np.array(rows, np.int64))


@given(ROWS, st.integers(1, 20), st.integers(0, 20), st.integers(1, 70))
def test_every_place_is_in_one_run(rows: np.ndarray, chunk: int, gap: int, limit: int) -> None:
    found = list(plan_runs(rows, chunk, gap, limit))
    places = np.concatenate([np.empty(0, int), *(run.places for run in found)])
    assert sorted(places) == list(range(len(rows)))
    for run in found:
        assert (rows[run.places] == run.rows).all()
        assert run.rows[0] == run.begin < run.end == run.rows[-1] + 1
        assert run.end - run.begin <= limit
        steps = np.diff(run.rows)
        crossing = run.rows[1:] // chunk != run.rows[:-1] // chunk
        assert (steps[crossing] <= 1).all()
        assert (steps <= max(gap, 1)).all()
    begins = [run.begin for run in found]
    assert begins == sorted(begins)


@given(ROWS, st.integers(1, 20), st.integers(0, 20), st.sampled_from([1 << 24, 40]))
def test_rows_reach_their_places(rows: np.ndarray, chunk: int, gap: int, limit: int) -> None:
    array = np.random.default_rng(0).standard_normal((61, 3)).astype(np.float32)
    out = np.full((len(rows), 3), 7, np.float32)
    read: list[tuple[int, int]] = []

    def read_run(begin: int, end: int, memory: np.ndarray) -> None:
        assert memory.shape == (end - begin, 3)
        read.append((begin, end))
        memory[...] = array[begin:end]

    before, runs.LIMIT = runs.LIMIT, limit
    try:
        gather_runs(read_run, rows, out, FakeCall(), chunk=chunk, gap=gap)
    finally:
        runs.LIMIT = before
    np.testing.assert_array_equal(out, array[rows])
    for (_, end), (begin, _) in pairwise(read):
        assert end <= begin or limit == 40


def test_what_comes_in_order_is_read_to_its_place() -> None:
    call = FakeCall()
    out = np.empty((40, 2))

    def read_run(begin: int, end: int, memory: np.ndarray) -> None:
        assert np.shares_memory(memory, out)
        memory[:] = begin

    gather_runs(read_run, np.arange(100, 140), out, call, chunk=8, gap=0)
    assert not call.leases
    assert (out == 100).all()
