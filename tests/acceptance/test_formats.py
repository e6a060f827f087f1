"""Every input format and both output layouts, through the whole graph, as the slow twin says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.acceptance.lines import chess, is_balanced
from tests.acceptance.oracle import SIZE, games
from tests.kernels import naive

FORMATS = [1, 2, 3, 4, 5, 132, 133]
EVERY = 97  #: the slow twin decodes one record in so many


@pytest.fixture(params=FORMATS)
def tar(request: pytest.FixtureRequest, shared_lc0: Path) -> Path:
    folder = shared_lc0 if request.param == 1 else shared_lc0 / f"fmt{request.param}"
    return min(folder.glob("*.tar"))


@pytest.fixture
def records(tar: Path) -> list[bytes]:
    return [data[at : at + SIZE] for _, data in games(tar) for at in range(0, len(data), SIZE)]


def in_order(tar: Path, layout: str) -> dict[str, NDArray[Any]]:
    """All frames of a tar as one batch, in the tar's own order."""
    with chess(tar, pool=1, reservoir=1, size=10**6, layout=layout).iterate() as run:
        (batch,) = list(run)
        assert is_balanced(run.stats())
    return {key: tensor.numpy() for key, tensor in batch.items()}


def same(found: NDArray[Any], wanted: Sequence[Any]) -> None:
    """Bit for bit as float32, but for which NaN a NaN is."""
    np.testing.assert_array_equal(found.ravel(), np.array(wanted, np.float32).ravel())


@pytest.mark.slow
def test_tensors(tar: Path, records: list[bytes]) -> None:
    batch = in_order(tar, "tensors")
    assert len(batch["planes"]) == len(records)
    packed = np.array([np.frombuffer(record, np.uint8)[7440:8272] for record in records])
    words = batch["planes"][:, :104].reshape(len(records), -1)
    assert np.array_equal(np.packbits(words != 0, axis=-1), packed)
    for at in range(0, len(records), EVERY):
        record = naive.parse(records[at])
        same(batch["planes"][at], naive.planes(record))
        same(batch["probabilities"][at], record["probabilities"])
        same(batch["values"][at], naive.values(record))


def test_tuple(tar: Path, records: list[bytes]) -> None:
    batch = in_order(tar, "tuple")
    assert batch["planes"].shape == (len(records), 112, 64)
    for at in range(0, len(records), EVERY):
        record = naive.parse(records[at])
        winner, best_q, plies_left = naive.outcomes(record)
        same(batch["planes"][at], naive.planes(record))
        same(batch["probs"][at], record["probabilities"])
        # Sums of float32 numbers; the twin's are of float64.
        np.testing.assert_allclose(batch["winner"][at], winner, atol=1e-6)
        np.testing.assert_allclose(batch["best_q"][at], best_q, atol=1e-6)
        same(batch["plies_left"][at], [plies_left])


def test_the_tars_are_of_the_formats_that_they_are_named_for(records: list[bytes], tar: Path) -> None:
    (form,) = {naive.parse(record)["format"] for record in records[::EVERY]}
    assert tar.parent.name == ("lc0" if form == 1 else f"fmt{form}")
