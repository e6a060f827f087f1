from __future__ import annotations

import numpy as np
from hypothesis import given

from flowload.abc.operators import Bytes
from flowload.kernels.chess.policy import write_policy
from tests.kernels import naive, strategies
from tests.kernels.every import SCRATCH, every


@given(strategies.rows(spare=1))
def test_policy_is_that_of_the_naive_twin(rows: Bytes) -> None:
    out = np.empty((len(rows), 1858), np.float32)
    every(write_policy, rows, out, SCRATCH, False)
    wanted = np.array([naive.parse(row.tobytes())["probabilities"] for row in rows], np.float32)
    assert np.array_equal(out, wanted, equal_nan=True)


@given(strategies.rows(versions=(6,)))
def test_policy_is_copied_bit_for_bit(rows: Bytes) -> None:
    out = np.empty((len(rows), 1858), np.float32)
    every(write_policy, rows, out, SCRATCH, False)
    assert out.tobytes() == rows[:, 8:7440].tobytes()


def test_illegal_moves_stay_minus_one() -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(0))])
    rows[:, 8:7440] = np.full(1858, -1, np.float32).view(np.uint8)
    out = np.empty((1, 1858), np.float32)
    every(write_policy, rows, out, SCRATCH, False)
    assert (out == -1).all()
