"""A map that forgot to return, and columns that do not belong together: errors, never fewer batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError
from flowload.stages.user.map import Applied, AppliedAsync, Returned
from tests.runtime.reading import FACES, Face

faces = pytest.mark.parametrize("face", FACES, ids=str)
FORGOTTEN = r"user function: None for every block; .* wanted a return, also of what was changed in place"


def doubled(batch: dict[str, Any]) -> None:
    batch["index"] *= 2


async def doubled_later(batch: dict[str, Any]) -> None:
    batch["index"] *= 2


def rows(n: int = 20) -> fl.Graph:
    return fl.rows(n) >> fl.batch(5)


@faces
@pytest.mark.parametrize("fn", [doubled, doubled_later])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_forgotten_return_is_an_error_at_the_end(face: Face, fn: Any, on_error: Any) -> None:
    graph = rows() >> fl.map(fn, on_error=on_error).named("double") >> fl.filter(lambda batch: True)
    with pytest.raises(DataError, match=FORGOTTEN) as caught:
        face.read(graph)
    (note,) = caught.value.__notes__
    assert "in stage 'double', declared at " in note
    assert "test_map_returns.py:" in note


def test_a_block_that_the_end_brings_counts_as_well() -> None:
    """Three rows are less than a batch: it comes behind the end of the pass."""
    with pytest.raises(DataError, match=FORGOTTEN), (rows(3) >> fl.map(doubled)).iterate() as batches:
        list(batches)


@faces
def test_without_an_end_it_is_told_behind_the_first_pass(face: Face) -> None:
    with pytest.raises(DataError, match=FORGOTTEN):
        face.read(rows() >> fl.map(doubled), epochs=None)


def test_each_map_of_a_chain_is_looked_at() -> None:
    graph = rows() >> fl.map(lambda batch: batch) >> fl.map(doubled).named("second") >> fl.map(dict)
    with pytest.raises(DataError, match=FORGOTTEN) as caught, graph.iterate() as batches:
        list(batches)
    assert "'second'" in caught.value.__notes__[0]


@faces
def test_some_blocks_may_be_dropped(face: Face) -> None:
    graph = rows() >> fl.map(lambda batch: batch if batch["index"][0] == 15 else None)
    assert len(face.read(graph, epochs=2)) == 2
    never = rows() >> fl.filter(lambda batch: False) >> fl.map(doubled)
    assert face.read(never) == []  # it was not asked

    def failing(batch: Any) -> None:
        raise ValueError

    assert face.read(rows() >> fl.map(failing, on_error="skip")) == []  # that is told otherwise


def test_a_map_that_gave_something_once_may_drop_the_rest() -> None:
    graph = fl.source(lambda epoch: iter([{"x": np.array([epoch])}])) >> fl.map(
        lambda batch: None if batch["x"][0] else batch
    )
    with graph.iterate(epochs=3) as batches:
        assert len(list(batches)) == 1


def test_a_reader_that_leaves_hears_nothing_of_it() -> None:
    parts = rows() >> fl.tee("a", "b")
    graph = fl.outputs(a=parts["a"], b=parts["b"] >> fl.map(doubled))
    with graph.iterate() as run:
        next(run["a"])


@pytest.mark.parametrize(
    ("fn", "found"),
    [
        (lambda batch: {**batch, "y": batch["index"][:3]}, r"index \[5\], y \[3\]"),
        (lambda batch: {"y": batch["index"][:3], **batch}, r"y \[3\], index \[5\]"),
        (lambda batch: {**batch, "y": np.zeros((0, 4))}, r"index \[5\], y \[0\]"),
    ],
)
def test_columns_of_unequal_length_are_named(fn: Any, found: str) -> None:
    with (
        pytest.raises(
            DataError, match=rf"user function: block 0: unequal lengths; found {found}; wanted one row"
        ),
        (rows() >> fl.map(fn)).iterate() as batches,
    ):
        next(batches)


def test_unequal_columns_can_be_skipped_and_are_counted() -> None:
    def odd(batch: Any) -> Any:
        return {**batch, "y": batch["index"][: 5 if batch["index"][0] else 1]}

    with (rows() >> fl.map(odd, on_error="skip")).iterate() as batches:
        assert len(list(batches)) == 3
        assert dict(batches.stats().stages["map"].dropped) == {"unequal lengths": 5}


@pytest.mark.parametrize("kind", [Applied, AppliedAsync])
def test_what_was_not_called_has_forgotten_nothing(kind: Any) -> None:
    kind(doubled, "raise").complete()


def test_returned() -> None:
    returned = Returned()
    returned.check()
    assert returned.noted(None) is None
    with pytest.raises(DataError):
        returned.check()
    assert returned.noted(1) == 1
    returned.noted(None)
    returned.check()
