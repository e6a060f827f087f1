from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from flowload.abc.operators import Bytes
from flowload.formats.lc0.records import INPUT_FORMATS
from flowload.kernels.chess.planes import expand_planes, write_bits, write_planes
from tests.kernels import naive, strategies
from tests.kernels.every import SCRATCH, every


def encoded(rows: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    out = np.full((len(rows), 7168), 7, np.float32)
    every(write_planes, rows, out, SCRATCH, False)
    return out


@pytest.mark.slow
@given(strategies.rows(spare=3))
def test_planes_are_those_of_the_naive_twin(rows: Bytes) -> None:
    wanted = np.array([naive.planes(naive.parse(row.tobytes())) for row in rows], np.float32)
    assert np.array_equal(encoded(rows).reshape(-1, 112, 64), wanted)


@given(strategies.rows())
def test_packed_planes_expand_to_the_same_bits(rows: Bytes) -> None:
    bits, scalars = np.empty((len(rows), 104), np.uint64), np.empty((len(rows), 8), np.uint8)
    every(write_bits, rows, bits, scalars)
    out = np.full((len(rows), 7168), 7, np.float32)
    expand_planes(bits, scalars, out)
    assert out.tobytes() == encoded(rows).tobytes()


@pytest.mark.parametrize("form", INPUT_FORMATS)
def test_every_value_of_the_flag_bytes(form: int) -> None:
    rng = np.random.default_rng(form)
    rows = np.stack([strategies.record(6, form, rng) for _ in range(256)])
    rows[:, 8272:8279] = np.arange(256)[:, None]
    wanted = [naive.planes(naive.parse(row.tobytes()))[104:] for row in rows]
    assert np.array_equal(encoded(rows).reshape(256, 112, 64)[:, 104:], np.array(wanted, np.float32))


def test_output_may_lie_at_any_address() -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(0)) for _ in range(3)])
    memory = np.zeros(3 * 28672 + 64, np.uint8)
    for shift in (0, 4, 1):
        out = memory[shift : shift + 3 * 28672].view(np.float32).reshape(3, 7168)
        every(write_planes, rows, out, SCRATCH, False)
        assert np.array_equal(out, encoded(rows))
    assert not memory[3 * 28672 + 4 :].any()


def test_records_may_lie_at_any_address() -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(0)) for _ in range(3)])
    memory = np.zeros(rows.size + 1, np.uint8)
    shifted = memory[1:].reshape(rows.shape)
    shifted[:] = rows
    assert np.array_equal(encoded(shifted), encoded(rows))


def test_read_only_records() -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(0))])
    wanted = encoded(rows)
    rows.flags.writeable = False
    assert np.array_equal(encoded(rows), wanted)
