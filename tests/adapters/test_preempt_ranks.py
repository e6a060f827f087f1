"""Several ranks leave after the same step, whichever got the signal; real processes over gloo."""

from __future__ import annotations

import signal
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed as dist

import flowload as fl
from flowload.adapters.agreeing import wishes
from tests.adapters.children.one_leaver import ROWS, graph
from tests.adapters.test_ranks import ranks

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here")

LEAVER = "tests.adapters.children.one_leaver"
ALONE = 128 + signal.SIGUSR1


def joined(told: list[dict[str, Any]], key: str = "seen") -> list[list[int]]:
    """The batches of all ranks, step by step."""
    steps = zip_longest(*(one[key] for one in told))
    return [batch for step in steps for batch in step if batch is not None]


@pytest.mark.slow
def test_all_ranks_leave_after_the_same_step(tmp_path: Path) -> None:
    found = ranks(
        2,
        "leave",
        "each",
        "end",
        "late",
        "one_file",
        folder=tmp_path,
        module=LEAVER,
    )
    assert [rank.code for rank in found] == [0, 0], "\n".join(rank.log for rank in found)
    leave, each, end, late, one_file = (
        list(told) for told in zip(*(rank.told for rank in found), strict=True)
    )
    whole = [batch["x"].tolist() for batch in graph(fl.shard(0, 1, lanes=6)).iterate(seed=1)]

    assert [(len(told["seen"]), told["code"]) for told in leave] == [(4, ALONE)] * 2  # asked in step 3
    assert joined(leave) + joined(leave, "rest") == whole
    assert all(len(told["lanes"]) == 6 for told in leave)  # the file has where the lanes of both stand

    assert [(len(told["seen"]), told["delivered"]) for told in each] == [(3, [6])] * 2
    assert [(len(told["seen"]), told["code"]) for told in end] == [(ROWS // 2 // 2, ALONE)] * 2

    assert [len(told["seen"]) for told in late] == [2, 2]
    assert [told["code"] for told in late] == [None, None]
    assert [told["came"] for told in late] == [[], [signal.SIGUSR1]]
    for told in one_file:
        assert told["error"].startswith("on_preempt: each rank has a state of its own")


@pytest.mark.slow
def test_a_rank_that_dies_is_noticed(tmp_path: Path) -> None:
    found = ranks(2, "dead", folder=tmp_path, module=LEAVER)
    assert found[0].told[0]["error"].startswith("the other ranks cannot be reached any more")


def test_one_rank_has_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    for group in (None, SimpleNamespace(get_world_size=lambda: 1)):
        monkeypatch.setattr(wishes, "process_group", lambda group=group: group)
        assert wishes.wishes_of_ranks() is None


def test_under_torchrun_a_signal_may_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    states: list[Any] = []
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))

    def train() -> None:
        with (
            graph(fl.shard(0, 1)).iterate() as batches,
            fl.on_preempt(batches, states.append, number=signal.SIGUSR1) as going,
        ):
            for _ in going:
                signal.raise_signal(signal.SIGUSR1)
                signal.raise_signal(signal.SIGUSR1)

    try:
        with pytest.raises(SystemExit) as end:
            train()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert end.value.code == ALONE
    assert came == []
    assert states[0]["delivered"] == {"out": 1}
