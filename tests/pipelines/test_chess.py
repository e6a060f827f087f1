"""pipelines/chess.py on the sample that ships with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, NoDataError, OptionError
from flowload.graph.pipelines.load import options_of
from flowload.sample import sample_path

CHESS = Path(__file__).parents[2] / "pipelines" / "chess.py"
TARS = sorted(sample_path("chess").glob("*.tar"))


def batches(epochs: int = 1, seed: int = 0, **options: object) -> Iterator[dict[str, Any]]:
    """Batches of numpy arrays."""
    with fl.load(CHESS, device="cpu", **options).iterate(seed=seed, epochs=epochs) as run:
        for batch in run:
            yield {key: tensor.numpy() for key, tensor in batch.items()}


def frames(**options: Any) -> np.ndarray[Any, Any]:
    """All frames, one row each, by what tells them apart: the packed planes."""
    rows = [
        np.packbits(batch["planes"][:, :104] != 0).reshape(len(batch["planes"]), -1)
        for batch in batches(**options)
    ]
    return np.concatenate(rows)


@pytest.fixture(scope="module")
def in_order() -> np.ndarray[Any, Any]:
    return frames(shuffle=False)


def test_the_options_are_those_that_are_promised() -> None:
    names = {option.name for option in options_of(CHESS)}
    assert {"data", "batch_size", "device", "shuffle", "rate", "pool", "reservoir", "layout"} <= names
    assert all(option.help for option in options_of(CHESS))


def test_it_is_a_drawing_without_logic() -> None:
    assert len(CHESS.read_text().splitlines()) <= 80


@pytest.mark.slow
def test_the_whole_sample_comes_in_batches_of_1024() -> None:
    sizes = [len(batch["planes"]) for batch in batches()]
    assert sizes[:-1] == [1024] * (len(sizes) - 1)
    assert sum(sizes) > 3000


@pytest.mark.slow
def test_shuffled_or_not_the_frames_are_the_same(in_order: np.ndarray[Any, Any]) -> None:
    shuffled = frames(seed=5, pool=10, reservoir=500, batch_size=100)
    assert not np.array_equal(shuffled, in_order)
    assert np.array_equal(np.unique(shuffled, axis=0), np.unique(in_order, axis=0))
    assert len(shuffled) == len(in_order)


def test_without_shuffling_the_order_is_that_of_the_files(in_order: np.ndarray[Any, Any]) -> None:
    assert len(TARS) > 1
    parts = [frames(shuffle=False, data=str(tar), batch_size=77) for tar in TARS]
    assert np.array_equal(np.concatenate(parts), in_order)
    assert np.array_equal(frames(shuffle=False, seed=9), in_order)


@pytest.mark.slow
def test_data_may_be_a_list_a_path_or_a_pattern(in_order: np.ndarray[Any, Any]) -> None:
    for data in (
        list(TARS),
        [str(tar) for tar in TARS],
        sample_path("chess"),
        f"{sample_path('chess')}/*.tar",
    ):
        assert len(frames(shuffle=False, data=data)) == len(in_order)


def test_half_the_frames_come_in_each_of_two_epochs(in_order: np.ndarray[Any, Any]) -> None:
    both = frames(rate=0.5, epochs=2)
    assert len(both) == len(in_order)
    assert np.array_equal(np.unique(both, axis=0), np.unique(in_order, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "keys"),
    [
        ("tensors", {"planes", "probabilities", "values"}),
        ("tuple", {"planes", "probs", "winner", "best_q", "plies_left"}),
    ],
)
def test_layouts_are_those_of_the_format(layout: str, keys: set[str]) -> None:
    assert set(next(batches(layout=layout))) == keys


@pytest.mark.slow
def test_packed_bits_are_a_small_part_of_the_planes() -> None:
    bits, planes = next(batches(layout="bits")), next(batches())
    assert sum(a.nbytes for a in bits.values()) < sum(a.nbytes for a in planes.values()) / 3


def test_no_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=str(tmp_path)):
        next(batches(data=str(tmp_path)))


def test_bad_games_end_the_run_or_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"this is no game")
    with pytest.raises(DataError, match=r"a\.gz"):
        next(batches(data=str(tmp_path)))
    with fl.load(CHESS, data=[tmp_path, TARS[0]], on_error="skip").iterate() as run:
        assert sum(len(batch["planes"]) for batch in run) > 1000
        dropped = [stage.dropped for stage in run.stats().stages.values() if stage.dropped]
    assert [sum(reasons.values()) for reasons in dropped] == [1]


def test_a_misspelt_option_is_named() -> None:
    with pytest.raises(OptionError, match="no option 'batchsize'; did you mean 'batch_size'"):
        fl.load(CHESS, batchsize=3)
