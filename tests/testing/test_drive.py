from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from flowload.abc.operators import Block, Call, Mark, Operator
from flowload.blocks import Batch
from flowload.chance import generator, stage_key
from flowload.errors import DataError, GraphError, LedgerError
from flowload.graph import Graph, outputs, place
from flowload.testing import drive, run_plain
from tests.testing import wrong
from tests.testing.wrong import Adds, Counts, Pairs, Swaps, Whatever, WhateverSource, batches


def numbers(blocks: Sequence[Block]) -> list[list[int]]:
    return [block.arrays["x"].tolist() for block in blocks if isinstance(block, Batch)]


def graph(*operators: Any, name: str | None = None) -> Graph:
    return place(Whatever(make=lambda: [operator() for operator in operators]), name=name)


def source(count: int = 3) -> Graph:
    return place(WhateverSource(make=lambda: [Counts(count)]), name="source")


class Log:
    """A fold that notes the numbers of its calls, and passes everything on."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    held = 0

    def push(self, block: Block, call: Call) -> Sequence[Block]:
        self.calls.append(call.number)
        return [block]

    def mark(self, mark: Mark, call: Call) -> Sequence[Block]:
        self.calls.append((mark.name, call.number))
        return []

    def flush(self, call: Call) -> Sequence[Block]:
        self.calls.append(("flush", call.number))
        return []

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass


class DropsEven:
    def apply(self, block: Batch, call: Call) -> Block | None:
        if len(block) % 2:
            return block
        call.drop(len(block), "even")
        return None


class Numbers:
    """A map that gives the number of its call."""

    def apply(self, block: Batch, call: Call) -> Block | None:
        return Batch({"x": np.full(len(block), call.number)})


class Waits:
    """A map that is a coroutine function."""

    async def apply(self, block: Batch, call: Call) -> Block | None:
        return block


class Refuses:
    """A map that finds all even-sized blocks bad, having said other things before."""

    def apply(self, block: Batch, call: Call) -> Block | None:
        call.opened(100)
        if len(block) % 2 == 0:
            call.reject(DataError("small", where="a"), 1)
            raise DataError("bad", where="b")
        call.drop(100 - len(block), "rest")
        return block


class Later:
    """A source that waits."""

    async def epoch(self, number: int, call: Call) -> AsyncIterator[Block | Mark]:
        yield Batch({"x": np.array([number])})
        yield Mark.CAUGHT_UP
        yield Batch({"x": np.array([number, call.number])})

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass


def test_random_numbers_are_those_of_the_seed_the_name_and_the_place() -> None:
    block = batches(1)[0]
    rows: list[list[Operator]] = [[Adds()], [Waits(), Adds()]]
    for seed, name, operators in ((0, "a", rows[0]), (5, "b", rows[0]), (5, "b", rows[1])):
        wanted = generator(stage_key(seed, name, len(operators) - 1), (0,)).integers(0, 1000)
        assert numbers(drive(operators, [block], seed=seed, name=name)) == [[wanted]]


def test_maps_keep_numbers_and_leave_out_what_they_drop() -> None:
    assert numbers(drive([DropsEven(), Numbers()], batches(1, 2, 3))) == [[0], [2, 2, 2]]


def test_folds_number_their_calls_and_their_blocks() -> None:
    log = Log()
    assert numbers(drive([Pairs(), Numbers()], batches(3, 2, 3))) == [[0, 0], [1, 1], [2, 2], [3, 3]]
    drive([DropsEven(), log], [*batches(1, 2), Mark.CAUGHT_UP, *batches(3)])
    assert log.calls == [0, ("CAUGHT_UP", 1), 2, ("flush", 3)]


def test_sources_number_blocks_over_all_passes() -> None:
    log = Log()
    made = drive([Later(), log, Numbers()], epochs=2)
    assert numbers(made) == [[0], [1, 1], [2], [3, 3]]
    marks = [call for call in log.calls if isinstance(call, tuple)]
    assert marks == [("CAUGHT_UP", 1), ("EPOCH", 3), ("CAUGHT_UP", 5), ("EPOCH", 7), ("flush", 8)]


def test_a_source_is_called_with_the_number_of_its_pass() -> None:
    assert numbers(drive([Later()], epochs=2)) == [[0], [0, 0], [1], [1, 1]]


def test_without_a_flush_folds_keep_what_they_hold() -> None:
    fold = Pairs()
    assert len(drive([fold], batches(3), flush=False)) == 1
    assert fold.held == 1


def test_a_block_that_is_bad_is_counted_whole() -> None:
    with pytest.raises(DataError, match="a: small"):
        drive([Refuses()], batches(1, 2, 3), on_error="raise")
    assert [len(block) for block in drive([Refuses()], batches(1, 2, 3), on_error="skip")] == [1, 3]


def test_samples_that_are_lost_are_an_error() -> None:
    with pytest.raises(LedgerError, match=r"stage\.1: in 3, out 2, dropped 0, held 0"):
        drive([Waits(), wrong.LosesOne()], batches(3))


def test_a_graph_runs_as_its_nodes_are_named() -> None:
    one = numbers(run_plain(source() >> graph(Adds, name="adds"), seed=3, epochs=2))
    two = numbers(run_plain(source() >> graph(Adds, name="other"), seed=3, epochs=2))
    assert [len(x) for x in one] == [1, 2, 3, 1, 2, 3]
    assert one != two
    assert one == numbers(run_plain(source() >> graph(Adds, name="adds"), seed=3, epochs=2))


def test_a_graph_must_be_whole() -> None:
    with pytest.raises(GraphError, match="nothing flows into 'whatever'"):
        run_plain(graph(Adds))


class Parts(Whatever):
    """The declaration of a route."""

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"odd": object, "even": object}


def test_several_outputs_are_asked_for_by_name() -> None:
    parts = source(6) >> place(Parts(make=lambda: [Swaps()]), name="parts")
    odd, even = (run_plain(parts, output=name) for name in ("odd", "even"))
    assert sum(map(len, odd)) + sum(map(len, even)) == 21
    assert all(x % 2 == 0 for row in numbers(even) for x in row)
    with pytest.raises(GraphError, match="several outputs; which one: odd, even"):
        run_plain(parts)
    with pytest.raises(GraphError, match="no output 'all'; it has odd, even"):
        run_plain(parts, output="all")


def test_parts_are_numbered_by_themselves() -> None:
    parts = source(6) >> place(Parts(make=lambda: [Swaps()]), name="parts")
    numbered = outputs(parts["even"].drop(), odd=parts["odd"] >> graph(Numbers))
    odd = numbers(run_plain(parts, output="odd"))
    assert len(odd) > 2
    assert [row[0] for row in numbers(run_plain(numbered))] == list(range(len(odd)))
