"""A model and its place in the stream in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.adapters import torch_checkpoint
from flowload.adapters.torch import load_checkpoint, save_checkpoint
from flowload.errors import DataError, RankError

GRAPH = fl.rows({"x": np.arange(100)}) >> fl.shuffle() >> fl.batch(8)


def rows(batches: Any) -> list[list[int]]:
    return [batch["x"].tolist() for batch in batches]


def test_it_goes_on_behind_the_last_batch(tmp_path: Path) -> None:
    net = torch.nn.Linear(3, 2)
    with GRAPH.iterate(seed=5) as batches:
        next(batches)
        save_checkpoint(tmp_path / "a.pt", {"net": net.state_dict(), "step": 1}, batches)
        rest = rows(batches)
    found = load_checkpoint(tmp_path / "a.pt")
    assert found is not None
    assert found.values.keys() == {"net", "step"}
    assert torch.equal(found.values["net"]["weight"], net.weight)
    with GRAPH.iterate(seed=5, state=found.stream) as batches:
        assert rows(batches) == rest
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_without_a_run_there_is_no_stream(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", {"step": 7})
    assert load_checkpoint(tmp_path / "a.pt") == ({"step": 7}, None)


def test_of_a_data_set(tmp_path: Path) -> None:
    data = GRAPH.as_torch_dataset(seed=3)
    for number, _ in enumerate(data):
        if number == 2:
            break
    save_checkpoint(tmp_path / "a.pt", {}, data)
    found = load_checkpoint(tmp_path / "a.pt")
    assert found is not None
    assert found.stream == data.state_dict()


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "a.pt") is None


def test_the_name_of_the_streams_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'flowload'"):
        save_checkpoint(tmp_path / "a.pt", {"flowload": 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["cut", "other", "foreign"])
def test_what_is_no_checkpoint_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:700])
    elif kind == "other":
        path.write_text("a page of text")
    else:
        torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(DataError, match=r"a\.pt: no checkpoint"):
        load_checkpoint(path)


def test_what_cannot_be_saved_leaves_the_old_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", {"step": 1})
    with pytest.raises((AttributeError, TypeError)):
        save_checkpoint(tmp_path / "a.pt", {"step": (step for step in range(3))})
    assert load_checkpoint(tmp_path / "a.pt") == ({"step": 1}, None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


class TwoRanks:
    """Stands for `torch.distributed`, on one of two ranks: the other gives what it is told to."""

    def __init__(self, rank: int, other: Any) -> None:
        self.rank, self.other = rank, other
        self.failed = False  #: what rank 0 tells of its writing

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def get_rank(self) -> int:
        return self.rank

    def get_world_size(self) -> int:
        return 2

    def all_gather_object(self, found: list[Any], own: Any) -> None:
        found[self.rank], found[1 - self.rank] = own, self.other

    def broadcast_object_list(self, found: list[Any], src: int) -> None:
        assert src == 0
        if self.rank:
            found[0] = self.failed
        self.failed = found[0]


def joined(monkeypatch: pytest.MonkeyPatch, rank: int, other: Any) -> TwoRanks:
    ranks = TwoRanks(rank, other)
    monkeypatch.setattr(torch_checkpoint, "dist", ranks)
    return ranks


def word_of(path: Path) -> Any:
    return torch.load(path)["flowload"]["id"]


def test_each_rank_gets_its_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    with GRAPH.iterate() as batches:
        next(batches)
        joined(monkeypatch, 1, {"of": 0})
        save_checkpoint(path, {}, batches)
        assert not path.exists()  # rank 0 writes
        joined(monkeypatch, 0, {"of": 1})
        save_checkpoint(path, {}, batches)
        own = batches.state_dict()
    joined(monkeypatch, 0, word_of(path))
    assert load_checkpoint(path) == ({}, own)
    joined(monkeypatch, 1, word_of(path))
    assert load_checkpoint(path) == ({}, {"of": 1})

    monkeypatch.undo()
    with pytest.raises(DataError, match=r"another number of ranks.*found 2; wanted 1"):
        load_checkpoint(path)


def test_between_passes_the_number_of_ranks_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(monkeypatch, 0, None)
    save_checkpoint(tmp_path / "a.pt", {"step": 4})
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "a.pt") == ({"step": 4}, None)


def test_a_rank_that_cannot_write_is_told_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks = joined(monkeypatch, 0, None)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_checkpoint(tmp_path / "nowhere/a.pt", {})
    assert ranks.failed is True
    ranks = joined(monkeypatch, 1, None)
    ranks.failed = True
    with pytest.raises(RankError, match=r"rank 0 could not write the checkpoint .*a\.pt"):
        save_checkpoint(tmp_path / "a.pt", {})


@pytest.mark.parametrize("kind", ["only here", "only there", "another"])
def test_ranks_that_see_different_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    if kind != "only there":
        save_checkpoint(path, {})
    joined(monkeypatch, 0, None if kind == "only here" else "0123")
    told = {"only here": "sees no checkpoint", "only there": "rank 0 does not see", "another": "sees another"}
    with pytest.raises(RankError, match=f"rank 1 .*{told[kind]}"):
        load_checkpoint(path)


def test_a_checkpoint_with_lanes_is_for_any_number_of_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def graph(rank: int, world: int) -> fl.Graph:
        return fl.rows(120) >> fl.shard(rank, world, lanes=6) >> fl.batch(5)

    with graph(0, 1).iterate() as batches:
        for _ in range(6):
            next(batches)
        save_checkpoint(tmp_path / "run.pt", {"step": 6}, batches)
    monkeypatch.setattr(torch_checkpoint, "place", lambda: (2, 3))
    monkeypatch.setattr(torch_checkpoint, "check_same", lambda *_: None)
    saved = load_checkpoint(tmp_path / "run.pt")
    assert saved is not None
    with graph(2, 3).iterate(state=saved.stream) as batches:
        assert next(batches)["index"].tolist() == list(range(32, 62, 6))
