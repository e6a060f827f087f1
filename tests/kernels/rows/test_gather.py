from __future__ import annotations

import numpy as np
import pytest

from flowload.kernels.rows.gather import gather, widen


@pytest.mark.parametrize("extra", [0, 1, 40])
@pytest.mark.parametrize("width", [1, 7, 64, 8356])
def test_gather_is_numpys_take(width: int, extra: int) -> None:
    rng = np.random.default_rng(width)
    rows = rng.integers(0, 256, (9, width), dtype=np.uint8)
    which = rng.integers(0, 9, 20)
    out = np.full((20, width + extra), 7, np.uint8)
    gather(out, rows, which)
    np.testing.assert_array_equal(out[:, :width], rows[which])
    assert not out[:, width:].any()


@pytest.mark.parametrize("extra", [0, 1, 40])
def test_widen_copies_the_beginnings(extra: int) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (9, 33), dtype=np.uint8)
    rows.flags.writeable = False
    out = np.full((9, 33 + extra), 7, np.uint8)
    widen(out, rows)
    np.testing.assert_array_equal(out[:, :33], rows)
    assert not out[:, 33:].any()
