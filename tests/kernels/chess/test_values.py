from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from flowload.abc.operators import Bytes
from flowload.kernels.chess.values import write_outcome, write_values
from tests.kernels import naive, strategies
from tests.kernels.every import every


def outcomes(rows: Bytes) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]:
    n = len(rows)
    out = (np.empty((n, 3), np.float32), np.empty((n, 3), np.float32), np.empty(n, np.float32))
    every(write_outcome, rows, *out)
    return out


@given(strategies.rows(spare=2))
def test_values_are_those_of_the_naive_twin(rows: Bytes) -> None:
    out = np.empty((len(rows), 6, 3), np.float32)
    every(write_values, rows, out)
    wanted = np.array([naive.values(naive.parse(row.tobytes())) for row in rows])
    assert np.array_equal(out, wanted.astype(np.float32), equal_nan=True)


@given(strategies.rows(spare=2))
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_outcomes_are_those_of_the_naive_twin(rows: Bytes) -> None:
    wanted = [naive.outcomes(naive.parse(row.tobytes())) for row in rows]
    for found, column in zip(outcomes(rows), zip(*wanted, strict=True), strict=True):
        assert np.array_equal(found, np.array(column).astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize(("result", "winner"), [(1, [1, 0, 0]), (0, [0, 1, 0]), (-1, [0, 0, 1])])
def test_old_results_are_one_hot(version: int, result: int, winner: list[float]) -> None:
    row = strategies.record(version, 1, np.random.default_rng(0))
    row[8279 if version >= 5 else 8275] = result % 256
    found, _, _ = outcomes(row[None])
    assert found[0].tolist() == winner
    values = np.empty((1, 6, 3), np.float32)
    every(write_values, row[None], values)
    assert values[0, 0, :2].tolist() == [result, result == 0]


@pytest.mark.parametrize(("version", "plies", "count", "wanted"), [
    (3, None, 12, 12), (4, None, 0, 0), (5, 0, 12, 12), (5, 3, 12, 3), (6, 0, 12, 0), (7, 9, 12, 9),
])  # fmt: skip
def test_the_move_count_stands_in_for_plies_of_old_data(
    version: int, plies: float | None, count: int, wanted: float
) -> None:
    row = strategies.record(version, 1, np.random.default_rng(0))
    if plies is not None:
        row[8304:8308] = np.array([plies], np.float32).view(np.uint8)
    row[8278 if version >= 5 else 8274] = count
    assert outcomes(row[None])[2].tolist() == [wanted]


def test_version_3_knows_nothing_of_the_search() -> None:
    row = strategies.record(3, 1, np.random.default_rng(0))
    assert outcomes(row[None])[1].tolist() == [[0.5, 0, 0.5]]
    values = np.empty((1, 6, 3), np.float32)
    every(write_values, row[None], values)
    assert np.isnan(values[0, 1:]).all()
