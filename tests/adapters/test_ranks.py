"""Ranks in processes of their own, over gloo: they end in the same step, whoever has less."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch.distributed as dist

import flowload as fl
from flowload.adapters.agreeing.ranks import GroupAgreement, full_size
from flowload.adapters.agreeing.wishes import Wishes
from tests.adapters.children import one_rank
from tests.suite.warm import start_warm

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here")

CHILD = "tests.adapters.children.one_rank"
LIMIT = 120  #: seconds for all of them


class Ended(NamedTuple):
    """What became of a rank."""

    code: int
    told: list[Any]  #: of each thing that it did
    log: str


def ranks(
    world: int, *what: str, folder: Path, module: str = "tests.adapters.children.one_rank"
) -> list[Ended]:
    """Run them all: each does one thing after the other. None outlives the test."""
    store = str(folder / "store")
    processes = [
        start_warm("-m", module, store, str(rank), str(world), *what, modules=(module,))
        for rank in range(world)
    ]
    try:
        ended = [process.communicate(timeout=LIMIT) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [
        Ended(process.wait(), [json.loads(line) for line in out.splitlines() if line.startswith('{"')], log)
        for process, (out, log) in zip(processes, ended, strict=True)
    ]


def check_steps(found: Sequence[Any], world: int) -> None:
    """All ranks made as many steps, nearly as many as there were, and nothing of a run is left."""
    steps = [told["steps"] for told in found]
    assert steps == [steps[0]] * world
    assert min(steps[0]) >= 1003 // world * 6 // 7 // 10 - 1
    assert all(0 <= cut < 20 for told in found for cut in told["cut"])
    assert all(told["threads"] == [] for told in found)


@pytest.mark.slow
def test_two_ranks_make_as_many_steps(tmp_path: Path) -> None:
    found = ranks(2, "odd", "left", "alone", "bare", folder=tmp_path)
    assert [rank.code for rank in found] == [0, 0], "\n".join(rank.log for rank in found)
    odd, left, alone, bare = zip(*(rank.told for rank in found), strict=True)
    assert [told["steps"] for told in odd] == [[0, 0, 0]] * 2  # in turn: one has all that are odd
    assert [told["cut"] for told in odd] == [[0, 0, 0], [501, 501, 501]]
    check_steps(left, 2)
    assert alone[0]["batches"] > 40
    assert [told["batches"] for told in bare] == [5, 5]
    for rank in found:
        assert rank.log.count("WARNING") == 1
        assert "there are 2 ranks, and the graph has no fl.shard()" in rank.log


@pytest.mark.slow
def test_of_three_who_goes_is_named_and_who_dies_is_noticed(tmp_path: Path) -> None:
    found = ranks(3, "most", "gone", "dead", folder=tmp_path)
    check_steps([rank.told[0] for rank in found], 3)
    for rank in found[:2]:
        _, gone, dead = rank.told
        assert gone["error"].startswith("RankError: rank 2 left its run before the end")
        assert dead["error"].startswith("RankError: the other ranks cannot be reached any more")
    assert found[2].told[1]["error"] == ""


def test_what_a_full_batch_is() -> None:
    rows = fl.rows(9) >> fl.batch(3)
    sizes = {
        3: [rows, rows >> fl.to_device("cpu"), rows >> fl.map(one_rank.most) >> fl.to_device("cpu")],
        None: [rows >> fl.filter(one_rank.most), fl.rows(9), fl.source(lambda: iter([1]))],
    }
    for size, graphs in sizes.items():
        for graph in graphs:
            assert full_size(graph.plan, "out") == size


class Future:
    """An exchange that the test completes."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.error: Exception | None = None

    def add_done_callback(self, callback: Any) -> None:
        self.told.append(callback)

    def value(self) -> None:
        if self.error is not None:
            raise self.error

    def complete(self) -> None:
        for callback in self.told:
            callback(self)


class Group:
    """As much of torch.distributed as an agreement uses."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, Future]] = []
        self.destroyed = 0
        self.met: list[str] = []  # groups that all ranks have entered
        self.ReduceOp = SimpleNamespace(MIN="least")
        self.group = SimpleNamespace(WORLD=None)

    def get_backend(self) -> str:
        return "gloo"

    def new_group(self, **_: Any) -> str:
        return "group"

    def barrier(self, group: str) -> None:
        self.met.append(group)

    def is_initialized(self) -> bool:
        return True

    def destroy_process_group(self, group: str) -> None:
        assert group == "group"
        self.destroyed += 1

    def all_reduce(self, tensor: Any, operation: str, *, group: str, async_op: bool) -> Any:
        assert (operation, group, async_op) == ("least", "group", True)
        future = Future()
        self.begun.append((tensor, future))
        return SimpleNamespace(get_future=lambda: future)


FREE = 1 << 62


@pytest.mark.parametrize("make", [GroupAgreement, Wishes])
def test_no_rank_leaves_a_group_that_others_have_not_entered(make: Callable[[Any], Any]) -> None:
    """Made is not met: one that closed it at once would break the connections that others still make."""
    group = Group()
    make(group)
    assert group.met == ["group"]


def test_who_stops_says_so_when_the_exchange_under_way_is_over_and_nobody_waits() -> None:
    group = Group()
    agreement = GroupAgreement(group)
    agreement.begin([1, 2, FREE, FREE])
    future = group.begun[0][1]
    future.add_done_callback(lambda done: agreement.completed(done, group.begun[0][0]))
    agreement.stop([0, 0, FREE, 1])
    assert agreement.least([3, 4, FREE, FREE]) is None
    agreement.close()
    assert not agreement.forget()  # it is in use
    assert len(group.begun) == 1
    future.complete()
    assert [tensor.tolist() for tensor, _ in group.begun[1:]] == [[0, 0, FREE, 1]]
    assert not agreement.forget()
    group.begun[1][1].complete()
    assert len(group.begun) == 2
    assert agreement.forget()
    assert group.destroyed == 1


def test_a_process_ends_when_its_last_exchange_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What calls back into an interpreter that has ended aborts the process."""
    at_exit: list[Any] = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr("atexit.unregister", at_exit.remove)
    group = Group()
    agreement = GroupAgreement(group)
    (waits,) = at_exit
    assert waits(0)
    agreement.begin([1, 2, FREE, FREE])
    tensor, future = group.begun[0]
    future.add_done_callback(lambda done: agreement.completed(done, tensor))
    assert not waits(0)
    agreement.stop([0, 0, FREE, 1])
    future.complete()
    assert not waits(0)  # it says its last words
    group.begun[1][1].complete()
    assert waits(0)
    agreement.close()
    assert agreement.forget()
    assert not at_exit


@pytest.mark.parametrize("broken", [True, False])
def test_nothing_is_said_to_who_cannot_hear_it(broken: bool) -> None:
    group = Group()
    agreement = GroupAgreement(group)
    agreement.begin([1, 2, FREE, FREE if broken else 0])  # the other says that it goes
    tensor, future = group.begun[0]
    future.error = RuntimeError("closed") if broken else None
    future.add_done_callback(lambda done: agreement.completed(done, tensor))
    future.complete()
    agreement.stop([0, 0, FREE, 1])
    assert len(group.begun) == 1
