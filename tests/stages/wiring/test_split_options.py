"""Parameters of `split` that look like options, another split of the same shares, and odd shares."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.stages.chunks.hashing import salt_word


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"seed": 0}, "salt= makes another one"),
        ({"random_state": 42}, "salt="),
        ({"shuffle": True}, r"fl.shuffle\(\), behind the split"),
        ({"test_size": 0.2}, r"split\(train=0.9, valid=0.1\)"),
        ({"group": "game"}, "by="),
        ({"group_by": "game"}, "by="),
        ({"By": "game"}, "is by= meant"),
        ({"by_": "game"}, "is by= meant"),
        ({"sal": 3}, "is salt= meant"),
        ({"rank": 0}, r"fl.shard\(\)"),
        ({"workers": 2}, "no such option"),
    ],
)
def test_an_option_is_no_output(options: dict[str, Any], hint: str) -> None:
    (name,) = options
    with pytest.raises(
        GraphError, match=rf"split: {name}=.* would be an output of the name '{name}'; .*{hint}"
    ):
        fl.split(train=0.9, valid=0.1, **options)


@pytest.mark.parametrize("name", ["train", "valid", "test", "val", "holdout", "a", "b", "sample", "bay"])
def test_names_of_outputs_stay_free(name: str) -> None:
    outputs: dict[str, Any] = {name: 0.5, "rest": 0.5}
    fl.split(**outputs)


def part(salt: Any, n: int = 4000) -> set[int]:
    parts = fl.rows(n) >> fl.split(train=0.5, valid=0.5, salt=salt)
    with (parts.drop("valid")["train"] >> fl.batch(n)).iterate() as batches:
        return set(next(batches)["index"].tolist())


def test_another_salt_is_another_split_and_the_same_everywhere() -> None:
    usual = part(None)
    parts = fl.rows(4000) >> fl.split(train=0.5, valid=0.5)
    with (parts.drop("valid")["train"] >> fl.batch(4000)).iterate(seed=9) as batches:
        assert set(next(batches)["index"].tolist()) == usual
    salted = [part(salt) for salt in (0, 1, "fold 3")]
    assert part(1) == salted[1]
    for one, other in ((usual, salted[0]), (salted[0], salted[1]), (salted[1], salted[2])):
        assert 850 < len(one & other) < 1150  # independent: a quarter of 4,000 in both


def test_salts_are_far_from_the_numbers_of_splits_in_a_row() -> None:
    assert salt_word(None) == 0
    assert salt_word(7) == salt_word("7") == 0x4147BC67650BA873
    assert len({salt_word(k) for k in range(100)}) == 100


@pytest.mark.parametrize("salt", [1.5, True, b"x"])
def test_bad_salts(salt: Any) -> None:
    with pytest.raises(GraphError, match="split: salt is"):
        fl.split(train=0.5, valid=0.5, salt=salt)


def test_lists_of_rows_have_no_salt() -> None:
    with pytest.raises(GraphError, match="split: salt= is for shares"):
        fl.split(train=np.arange(3), salt=1)


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"train": 0.6, "valid": 0.2}, "add up to 0.8, not to 1; they are taken as train=0.75, valid=0.25"),
        ({"train": 9, "valid": 1}, "add up to 10, not to 1; they are taken as train=0.9, valid=0.1"),
        ({"train": 0.9, "valid": 0.1}, None),
        ({"a": 0.7, "b": 0.2, "c": 0.1}, None),
        ({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, None),
    ],
)
def test_shares_that_are_taken_in_proportion_are_told_once(
    shares: dict[str, Any], told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "flowload"):
        graph = fl.rows(10) >> fl.split(**shares)
        graph.describe()
        hash(graph)
    assert [record.message for record in caplog.records] == (
        [] if told is None else [f"split: the shares {told}"]
    )
