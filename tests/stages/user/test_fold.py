"""Folds of users: two methods, and what the run knows of them without more."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.blocks import Batch, Rows
from flowload.errors import DataError, GraphError, LedgerError
from flowload.testing import check_resume, check_stage, run_plain


class Pairs:
    """Two batches become one."""

    def __init__(self) -> None:
        self.first: Batch | None = None

    def push(self, block: Batch, call: Any) -> list[Batch]:
        if self.first is None:
            self.first = block
            return []
        made, self.first = joined(self.first, block), None
        return [made]

    def flush(self, call: Any) -> list[Batch]:
        rest, self.first = self.first, None
        return [] if rest is None else [rest]


class Loses(Pairs):
    def flush(self, call: Any) -> list[Batch]:
        return []


class Doubles(Pairs):
    def push(self, block: Batch, call: Any) -> list[Batch]:
        return [block, block]


class Stateful(Pairs):
    def state(self) -> Any:
        return None if self.first is None else self.first.arrays["x"].tolist()

    def restore(self, state: Any) -> None:
        self.first = None if state is None else Batch({"x": np.array(state)})


class Forgets(Stateful):
    def restore(self, state: Any) -> None:
        self.first = None


class Holding(Pairs):
    @property
    def held(self) -> int:
        return 0


class Picky(Pairs):
    def push(self, block: Batch, call: Any) -> list[Batch]:
        if block.arrays["x"][0] == 4:
            raise DataError("four", where="x", found="4", wanted="another")
        return super().push(block, call)


def joined(one: Batch, two: Batch) -> Batch:
    return Batch({"x": np.concatenate([one.arrays["x"], two.arrays["x"]])})


def numbers(n: int = 10) -> fl.Graph:
    return fl.rows({"x": np.arange(n)}) >> fl.batch(2)


def batches(n: int = 5) -> list[Batch]:
    return [Batch({"x": np.arange(2 * k, 2 * k + 2)}) for k in range(n)]


def test_two_methods_are_a_fold() -> None:
    graph = numbers() >> fl.fold(Pairs)
    with graph.iterate() as run:
        assert [batch["x"].tolist() for batch in run] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        stats = run.stats().stages["fold"]
    assert (stats.in_, stats.out, stats.held) == (10, 10, 0)
    assert [len(block) for block in run_plain(graph)] == [4, 4, 2]


def test_what_it_keeps_back_is_counted_without_being_asked() -> None:
    with (numbers() >> fl.fold(Pairs)).iterate() as run:
        next(run)
        stats = run.stats().stages["fold"]
        assert stats.in_ == stats.out + stats.held
    with (numbers(6) >> fl.fold(Pairs)).iterate(epochs=2) as run:  # three batches a pass: one waits
        assert [batch["x"].tolist() for batch in run][1] == [4, 5, 0, 1]
    with (numbers(6) >> fl.fold(Pairs)).iterate(epochs=2, align=True) as run:
        assert [len(batch["x"]) for batch in run] == [4, 2, 4, 2]


@pytest.mark.parametrize("kind", [Loses, Doubles])
def test_a_fold_that_loses_or_doubles_is_found_out(kind: type) -> None:
    with pytest.raises(LedgerError, match="fold"), (numbers() >> fl.fold(kind)).iterate() as run:
        list(run)
    with pytest.raises(AssertionError, match="samples missing"):
        check_stage(fl.fold(kind), batches())


def test_the_exam_takes_two_methods() -> None:
    assert [len(block) for block in check_stage(fl.fold(Pairs), batches())] == [4, 4, 2]
    assert check_resume(fl.fold(Pairs), batches()) == 0  # its stream is made again
    assert check_resume(fl.fold(Stateful), batches()) > 0
    with pytest.raises(AssertionError, match="samples missing"):
        check_resume(fl.fold(Forgets), batches())
    with pytest.raises(AssertionError, match="samples missing after block 0"):
        check_stage(fl.fold(Holding), batches())


def test_a_fold_that_is_another_the_second_time_is_found_out() -> None:
    numbers = count()

    class Numbered(Pairs):
        def __init__(self) -> None:
            super().__init__()
            self.number = next(numbers)

        def push(self, block: Batch, call: Any) -> list[Batch]:
            return [Batch({"x": np.full(len(block), self.number)})]

    with pytest.raises(AssertionError, match="made again"):
        check_resume(fl.fold(Numbered), batches())


def test_bad_data_follow_the_policy() -> None:
    with pytest.raises(DataError, match="four"), (numbers() >> fl.fold(Picky)).iterate() as run:
        list(run)
    with (numbers() >> fl.fold(Picky, on_error="skip", max_errors=2)).iterate() as run:
        assert [batch["x"].tolist() for batch in run] == [[0, 1, 2, 3], [6, 7, 8, 9]]
        assert run.stats().stages["fold"].dropped == {"four": 2}


def test_what_is_no_fold_is_refused_with_what_it_lacks() -> None:
    class Half:
        def push(self, block: Any, call: Any) -> list[Any]:
            return [block]

    half: Any = Half
    with (
        pytest.raises(GraphError, match=r"Half has no flush; a Fold has push and flush"),
        (numbers() >> fl.fold(half)).iterate() as run,
    ):
        list(run)
    with pytest.raises(GraphError, match="fold: fn"):
        fl.fold(3)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="takes is 3"):
        fl.fold(Pairs, takes=3)  # type: ignore[arg-type]


def test_only_what_it_takes_may_come() -> None:
    with pytest.raises(GraphError, match="fold takes Batch and Rows comes; say takes=Rows"):
        fl.rows({"x": np.arange(9)}) >> fl.fold(Pairs)

    class Every:
        def push(self, block: Rows, call: Any) -> list[Rows]:
            return [block]

        def flush(self, call: Any) -> list[Rows]:
            return []

    graph = fl.rows({"x": np.arange(9)}) >> fl.fold(Every, takes=Rows) >> fl.batch(9)
    with graph.iterate() as run:
        assert [batch["x"].tolist() for batch in run] == [list(range(9))]
