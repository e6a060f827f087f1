"""A generator of samples is batched along the right axis; what can be no block is refused with that word."""

from __future__ import annotations

import logging
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.blocks import Batch, Item
from flowload.errors import DataError, GraphError
from flowload.stages.user.elements import LOOK, SMALL
from flowload.stages.user.samples import BYTES, SAMPLES, SampleStack, stack
from flowload.testing import check_resume
from tests.stages.fakes import FakeCall

X = np.arange(1800, dtype=np.float32).reshape(600, 3)


def read(graph: fl.Graph, **how: Any) -> list[Any]:
    with graph.iterate(**how) as batches:
        return list(batches)


def joined(batches: list[Any], key: str) -> np.ndarray[Any, Any]:
    return np.concatenate([np.asarray(batch[key]) for batch in batches])


def test_samples_become_batches_along_an_axis_of_their_own() -> None:
    graph = fl.source(lambda: ({"x": X[i], "y": i} for i in range(600)), samples=True) >> fl.batch(64)
    batches = read(graph, epochs=2)
    assert [len(batch["x"]) for batch in batches] == [64] * 18 + [48]
    assert np.array_equal(joined(batches, "x"), np.concatenate([X, X]))
    assert joined(batches, "y").tolist() == [*range(600)] * 2
    assert joined(batches, "y").dtype == np.int64


def test_no_hop_is_one_sample() -> None:
    with fl.source(lambda: iter(X), samples=True).iterate() as batches:
        assert [len(batch["x"]) for batch in batches] == [SAMPLES, SAMPLES, 600 - 2 * SAMPLES]
        assert batches.stats().stages["source"].blocks_out == 3
    assert [len(batch["x"]) for batch in read(fl.source(lambda: iter(X), samples=100))] == [100] * 6
    large = np.zeros(BYTES // 8 + 1, np.float32)  # two fit, but for the gap to the next cache line
    assert [len(b["x"]) for b in read(fl.source(lambda: iter([large] * 3), samples=True))] == [1, 1, 1]


Point = namedtuple("Point", "a b")


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda i: X[i], {"x": X}),
        (lambda i: i, {"x": np.arange(600)}),
        (float, {"x": np.arange(600.0)}),
        (lambda i: i % 2 == 0, {"x": np.arange(600) % 2 == 0}),
        (lambda i: (X[i], i), {"0": X, "1": np.arange(600)}),
        (lambda i: [X[i], i], {"0": X, "1": np.arange(600)}),
        (lambda i: Point(i, X[i, 0]), {"a": np.arange(600), "b": X[:, 0]}),
        (lambda i: {"x": torch.from_numpy(X[i]), "n": np.int8(i % 100)}, {"x": X, "n": np.arange(600) % 100}),
        (lambda i: {"x": X[i].astype(">f4"), "s": f"{i:03}"}, {"x": X, "s": [f"{i:03}" for i in range(600)]}),
        (lambda i: {"x": [1, 2]}, {"x": [[1, 2]] * 600}),
    ],
)
def test_what_a_sample_may_be(make: Callable[[int], Any], wanted: dict[str, Any]) -> None:
    graph = fl.source(lambda: (make(i) for i in range(600)), samples=True) >> fl.batch(100)
    batches = read(graph)
    assert {key: joined(batches, key).tolist() for key in batches[0]} == {
        key: np.asarray(value).tolist() for key, value in wanted.items()
    }


def test_memory_that_is_used_again_is_copied_in_time() -> None:
    """A generator may yield one array again and again."""
    buffer = np.zeros(3, np.float32)

    def samples() -> Iterator[dict[str, Any]]:
        for row in X:
            buffer[:] = row
            yield {"x": buffer}

    assert np.array_equal(joined(read(fl.source(samples, samples=True) >> fl.batch(7)), "x"), X)


def test_asynchronous_samples() -> None:
    async def samples() -> AsyncIterator[Any]:
        for i in range(600):
            yield {"x": X[i]}

    assert np.array_equal(joined(read(fl.source(samples, samples=True) >> fl.batch(64)), "x"), X)


@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 3))
def test_blocks_against_numpy(count: int, most: int, width: int) -> None:
    data = np.arange(count * width).reshape(count, width)
    made, call = SampleStack(most, "source"), FakeCall()
    blocks = [made.take({"x": row, "y": row[0]}, call) for row in data]
    found = [block for block in [*blocks, made.rest()] if block is not None]
    assert [len(block) for block in found] == [most] * (count // most) + [count % most] * (count % most > 0)
    if count:
        assert np.concatenate([block.arrays["x"] for block in found]).tolist() == data.tolist()
        assert stack([{"x": row} for row in data], "here")["x"].tolist() == data.tolist()


def test_samples_go_on_at_every_cut() -> None:
    check_resume(fl.source(lambda: iter(X[:10]), samples=4), epochs=3)


UNLIKE = [
    ({"x": X[0, :2]}, "x float32[2]", "x float32[3], as the first"),
    ({"x": X[0].astype(np.float64)}, "x float64[3]", "x float32[3]"),
    ({"y": X[0]}, "y float32[3]", "x float32[3]"),
    ({"x": X[0], "y": 1}, "x float32[3], y int64[]", "x float32[3]"),
    ({}, "an empty sample; found dict", "at least one value"),
    ({"x": None}, "'x' is NoneType, which is no array", "arrays and numbers"),
    ({"x": [1, "a"]}, "'x' is a list of int, str", "arrays and numbers"),
    ({"x": np.ma.masked_array(X[0], X[0] == 0)}, "1 of its 3 values are masked", "arrays and numbers"),
]


@pytest.mark.parametrize(("odd", "found", "wanted"), UNLIKE)
def test_an_unlike_sample_is_named(odd: Any, found: str, wanted: str) -> None:
    graph = fl.source(lambda: iter([{"x": row} for row in X[:300]] + [odd]), samples=True) >> fl.batch(8)
    with pytest.raises(DataError) as caught:
        read(graph)
    message = str(caught.value)
    assert message.startswith("source: sample 300: ")
    assert found in message
    assert wanted in message
    assert any("in stage 'source'" in note for note in caught.value.__notes__)


def test_the_passes_are_alike_too() -> None:
    def samples(epoch: int) -> Iterator[Any]:
        return iter(X[:3].astype(np.float32 if epoch < 2 else np.float64))

    with pytest.raises(DataError, match=r"source: sample 0: unlike samples; found x float64\[3\]"):
        read(fl.source(samples, samples=True), epochs=3)


def test_text_needs_one_width() -> None:
    with pytest.raises(DataError, match=r"sample 1: .* text needs one width: np.array\(text, \"U32\"\)"):
        read(fl.source(lambda: iter(["a", "bc"]), samples=True))


def test_a_function_that_asks_for_it_is_told_the_pass() -> None:
    def blocks(epoch: int) -> Iterator[Any]:
        return iter([{"x": np.array([epoch])}])

    assert [b["x"].tolist() for b in read(fl.source(blocks), epochs=2, first_epoch=4)] == [[4], [5]]

    async def waiting(*, epoch: int) -> AsyncIterator[Any]:
        yield {"x": np.array([epoch])}

    assert [b["x"].tolist() for b in read(fl.source(waiting), epochs=2, first_epoch=4)] == [[4], [5]]


# ---- without the word


@pytest.mark.parametrize(
    ("element", "found"),
    [
        ({"x": X[0], "y": 3}, "x [3], y int"),
        ({"x": X[0], "y": np.float32(3)}, "x [3], y float32"),
        ({"x": X[0], "name": "a"}, "x [3], name str"),
        ({"x": X[0], "y": X[0, :2]}, "x [3], y [2]"),
        ({"a": 1, "b": 2.0}, "a int, b float"),
        ({"a": torch.tensor(1.0)}, "a Tensor"),
        (Batch({"x": X[0], "y": X[0, :2]}), "x [3], y [2]"),
    ],
)
@pytest.mark.parametrize("samples", [None, False])
def test_what_cannot_be_a_block_is_refused_with_the_word(
    element: Any, found: str, samples: bool | None
) -> None:
    graph = fl.source(lambda: iter([{"x": X[0]}, element]), samples=samples)
    with pytest.raises(DataError) as caught:
        read(graph)
    assert f"source: element 1: not a block; found {found}; wanted" in str(caught.value)
    assert "fl.source(fn, samples=True)" in str(caught.value)


def test_values_that_hold_no_numbers_go_on_as_they_are() -> None:
    values = ["a.png", {"path": "a.png"}, (1, 2), 3, None, {}]
    assert read(fl.source(lambda: iter(values))) == values


def test_everything_goes_on_as_it_is_where_the_user_says_so() -> None:
    values = [{"path": "a", "label": 3}, {"x": X[0], "y": X[0, :2]}]
    assert read(fl.source(lambda: iter(values), gives=Item)) == values


def test_values_in_batch_are_refused_with_the_word() -> None:
    with pytest.raises(GraphError, match=r"batch: tuple came, which is one value; .*samples=True"):
        read(fl.source(lambda: iter([(X, X)])) >> fl.batch(4))


def doubts(graph: fl.Graph, caplog: pytest.LogCaptureFixture, **how: Any) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "flowload"):
        read(graph, **how)
    return [record.message for record in caplog.records if "each of the first" in record.message]


def test_elements_that_look_like_samples_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    one = {"x": np.zeros((SMALL, 5))}
    (told,) = doubts(fl.source(lambda: iter([one] * 40)) >> fl.batch(4), caplog, epochs=3)
    assert told.startswith(
        f"source: each of the first {LOOK} elements has x [{SMALL}, 5], and is taken as {SMALL}"
    )
    assert "samples=True" in told
    assert "samples=False" in told
    (told,) = doubts(fl.source(lambda: iter([one] * 2)) >> fl.map(dict) >> fl.batch(4), caplog)
    assert "first 2 elements" in told
    signals = fl.source(lambda: iter([{"x": np.zeros(16_000), "y": np.zeros(16_000)}] * 3)) >> fl.batch(4)
    assert len(doubts(signals, caplog)) == 1


def test_what_can_only_be_blocks_is_not_doubted(caplog: pytest.LogCaptureFixture) -> None:
    one = {"x": np.zeros((SMALL, 5))}
    for elements, more in (
        ([one] * 20, None),  # no batch cuts them
        ([one], fl.batch(4)),  # one is no pattern
        ([{"x": np.zeros((SMALL + 1, 5))}] * 20, fl.batch(4)),
        ([one] * 10 + [{"x": np.zeros((3, 5))}], fl.batch(4)),  # blocks of their own lengths
        ([1, 2, 3], None),
    ):
        graph = fl.source(lambda elements=elements: iter(elements))
        assert doubts(graph >> more if more else graph, caplog) == []
    assert doubts(fl.source(lambda: iter([one] * 40), samples=False) >> fl.batch(4), caplog) == []
    assert doubts(fl.source(lambda: iter([one] * 40), samples=True) >> fl.batch(4), caplog) == []


@pytest.mark.parametrize("samples", [0, -1, 1.5, "yes"])
def test_samples_is_yes_no_or_how_many(samples: Any) -> None:
    with pytest.raises(GraphError, match="source: samples is"):
        fl.source(list, samples=samples)


def test_samples_become_batches_and_nothing_else() -> None:
    assert fl.source(list, samples=True).nodes()[0].carries == (Batch,)
    with pytest.raises(GraphError, match="samples become batches, and gives is Item"):
        fl.source(list, samples=True, gives=Item)
