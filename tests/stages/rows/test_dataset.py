"""Data sets of samples by number: torch's, Hugging Face's, and anything with a length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset, default_collate

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.rows.npy import NpyRows

N = 23


class Samples(torch.utils.data.Dataset[Any]):
    """Sample i is (three times i, i); asked by one thread at a time."""

    def __init__(self, length: int = N) -> None:
        self.length = length
        self.inside = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Any:
        self.inside += 1
        assert self.inside == 1
        sample = torch.full((3,), float(i)), i
        self.inside -= 1
        return sample


class Several:
    """Gives several at once; has no `__getitem__`."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return N

    def __getitems__(self, rows: list[int]) -> list[Any]:
        self.asked.append(rows)
        return [{"x": np.array([row, row], np.float32), "y": row} for row in rows]


def every(graph: fl.Graph, key: str) -> list[Any]:
    with graph.iterate() as batches:
        return [value for batch in batches for value in batch[key].tolist()]


def test_samples_become_arrays() -> None:
    first = (fl.rows(Samples()) >> fl.batch(4)).peek()
    assert {key: (array.dtype, array.shape) for key, array in first.items()} == {
        "0": (np.float32, (4, 3)),
        "1": (np.int64, (4,)),
    }
    assert every(fl.rows(Samples()) >> fl.batch(4), "1") == list(range(N))


def test_each_once_in_random_order_with_its_own_values() -> None:
    with (fl.rows(Samples()) >> fl.shuffle() >> fl.batch(4, workers=4)).iterate(epochs=2) as batches:
        pairs = [(x, y) for batch in batches for x, y in zip(batch["0"], batch["1"], strict=True)]
    assert all(x.tolist() == [y] * 3 for x, y in pairs)
    assert sorted(y for _, y in pairs) == sorted([*range(N), *range(N)])


def test_several_at_once() -> None:
    data = Several()
    assert every(fl.rows(data) >> fl.batch(10), "y") == list(range(N))
    assert data.asked[0] == [0]  # what samples are like
    assert sorted(map(len, data.asked[1:])) in ([3, 10, 10], [3, 20])


def test_tensor_data_sets_and_subsets_and_splits() -> None:
    data = TensorDataset(torch.arange(N), torch.zeros(N, 2))
    part = torch.utils.data.Subset(data, range(0, N, 2))
    assert every(fl.rows(part) >> fl.batch(5), "0") == list(range(0, N, 2))
    graph = fl.rows(data) >> fl.split(a=0.5, b=0.5)
    both = [every(graph.drop(other)[name] >> fl.batch(5), "0") for name, other in (("a", "b"), ("b", "a"))]
    assert sorted(both[0] + both[1]) == list(range(N))
    assert min(map(len, both)) > 2


def test_lengths_ranks_and_resume() -> None:
    graph = fl.rows(Samples()) >> fl.shuffle() >> fl.shard(1, 2) >> fl.batch(4)
    with graph.iterate(seed=3) as batches:
        seen = [next(batches)["1"].tolist()]
        state = batches.state_dict()
        assert len(batches) == 3
        seen += [batch["1"].tolist() for batch in batches]
    with graph.iterate(seed=3, state=state) as batches:
        assert [batch["1"].tolist() for batch in batches] == seen[1:]


def test_collate_makes_what_it_likes() -> None:
    graph = fl.rows(Samples(), collate=default_collate) >> fl.shuffle() >> fl.batch(4)
    with graph.iterate() as batches:
        given = list(batches)
        stats = batches.stats()
    assert all(isinstance(x, torch.Tensor) and x[:, 0].tolist() == y.tolist() for x, y in given)
    assert sorted(int(value) for _, y in given for value in y) == list(range(N))
    assert (stats.delivered, stats.blocks_delivered) == (N, 6)  # samples, and not values


def test_collate_that_makes_a_batch() -> None:
    def padded(samples: list[Any]) -> dict[str, Any]:
        return {"y": torch.tensor([y for _, y in samples]), "words": ["a"] * len(samples), "n": len(samples)}

    graph = fl.rows(Samples(), collate=padded) >> fl.batch(4)
    odd = graph >> fl.filter(lambda batch: batch["y"] % 2 == 1)
    with pytest.raises(GraphError, match="'words', 'n' go with all"):
        odd.peek()
    assert [len(batch["y"]) for batch in graph.iterate()] == [4, 4, 4, 4, 4, 3]
    assert graph.peek()["words"] == ["a"] * 4


def test_collate_of_a_list_and_of_columns() -> None:
    texts = ["a", "bc", "def"]
    assert (fl.rows(texts, collate="".join) >> fl.batch(2)).peek() == "abc"
    with pytest.raises(GraphError, match="needs no collate"):
        fl.rows(NpyRows("x.npy"), collate=len)


def test_bad_samples_are_left_out_alone() -> None:
    class Holes(Samples):
        def __getitem__(self, i: int) -> Any:
            if i % 5 == 2:
                raise IndexError(f"{i} is a hole")
            return super().__getitem__(i)

    for collate in (None, default_collate):
        graph = fl.rows(Holes(), collate=collate) >> fl.batch(4, on_error="skip")
        with graph.iterate() as batches:
            given = list(batches)
            dropped = batches.stats().stages["batch"].dropped
        labels = [int(y) for batch in given for y in (batch["1"] if collate is None else batch[1])]
        assert labels == [i for i in range(N) if i % 5 != 2]
        assert dropped == {"no such sample": 5}


def test_what_the_data_set_raises_is_raised_with_the_number() -> None:
    class Broken(Samples):
        def __getitem__(self, i: int) -> Any:
            return super().__getitem__(i) if i < 7 else dict[str, int]()["nope"]

    with pytest.raises(KeyError) as caught, (fl.rows(Broken()) >> fl.batch(4)).iterate() as batches:
        list(batches)
    assert "in Broken[7]" in caught.value.__notes__


@pytest.mark.parametrize("error", [IndexError("7 of 5"), StopIteration()])
def test_what_means_an_end_elsewhere_ends_nothing(error: Exception) -> None:
    class Short(Samples):
        def __getitem__(self, i: int) -> Any:
            if i == 7:
                raise error
            return super().__getitem__(i)

    with pytest.raises(DataError, match=r"Short\[7\]: no such sample"):
        every(fl.rows(Short()) >> fl.batch(4), "1")


class Objects(Samples):
    def __getitem__(self, i: int) -> Any:
        return {"x": object()}


def test_unlike_samples_are_named() -> None:
    class Ragged(Samples):
        def __getitem__(self, i: int) -> Any:
            return {"x": np.zeros(3 if i < 9 else 4)}

    with pytest.raises(DataError, match=r"Ragged\[9\]: unlike samples; found x float64\[4\]; wanted .*\[3\]"):
        every(fl.rows(Ragged()) >> fl.batch(4), "x")
    with pytest.raises(DataError, match=r"collate=function"):
        every(fl.rows(Objects()) >> fl.batch(2), "x")


class Endless:
    def __getitem__(self, i: int) -> int:
        return i


@pytest.mark.parametrize("given", [Endless(), object(), iter([1]), {1, 2}])
def test_what_is_no_data_set(given: Any) -> None:
    with pytest.raises(GraphError, match="rows: "):
        fl.rows(given)
    with pytest.raises(GraphError, match="rows: "):
        fl.rows(given, collate=len) if not isinstance(given, set) else fl.rows(given)


def test_no_samples() -> None:
    with pytest.raises(NoDataError, match="no records"):
        (fl.rows(Samples(0)) >> fl.batch(4)).peek()


def test_a_function_that_is_none() -> None:
    with pytest.raises(GraphError, match="collate is 3"):
        fl.rows(Samples(), collate=3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="None for a batch"):
        (fl.rows(Samples(), collate=lambda samples: None) >> fl.batch(4)).peek()


@pytest.mark.slow
def test_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"x": list(range(N)), "v": [[i, -i] for i in range(N)], "t": ["q"] * N})
    graph = fl.rows(data) >> fl.shuffle() >> fl.batch(4)
    with graph.iterate() as batches:
        pairs = [(x, v.tolist()) for batch in batches for x, v in zip(batch["x"], batch["v"], strict=True)]
    assert sorted(x for x, _ in pairs) == list(range(N))
    assert all(v == [x, -x] for x, v in pairs)
    assert len(graph) == 6
    ragged = datasets.Dataset.from_dict({"v": [[1], [2, 3]]})
    with pytest.raises(DataError, match="unlike samples"):
        every(fl.rows(ragged) >> fl.batch(2), "v")
    lists = fl.rows(ragged, collate=lambda rows: [row["v"] for row in rows])
    assert (lists >> fl.batch(2)).peek() == [[1], [2, 3]]
