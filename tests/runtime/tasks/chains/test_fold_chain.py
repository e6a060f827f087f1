"""Neighbouring folds as one plain object: what goes in, what comes out, and what enters the books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from flowload.abc.operators import Block, Call, Mark
from flowload.errors import DataError
from flowload.runtime.channel import Message, NumberedBlock
from flowload.runtime.tasks.chains import fold_call
from flowload.runtime.tasks.chains import fold_chain as folds_module
from flowload.runtime.tasks.chains.fold_chain import FoldChain
from tests.runtime.stages import Folds, Ints, Rebatches, ints

from .stage import members


class Notes(Folds):
    """Passes on, and notes its calls by number."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    def push(self, block: Ints, call: Call) -> Iterable[Block]:
        self.log.append(f"{self.name} push {call.number}")
        return [block]

    def mark(self, mark: Mark, call: Call) -> Iterable[Block]:
        self.log.append(f"{self.name} {mark.value} {call.number}")
        return [ints([-1])]

    def flush(self, call: Call) -> Iterable[Block]:
        self.log.append(f"{self.name} flush {call.number}")
        return [ints([-2])]


class Counts(Folds):
    """Can give blocks without input."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 2
        self.asked: list[int] = []

    def idle(self, call: Call) -> Block | None:
        self.asked.append(call.number)
        self.left -= 1
        return ints([self.left]) if self.left >= 0 else None


def items(*sizes: int) -> list[Message]:
    numbers = iter(range(sum(sizes)))
    return [NumberedBlock.of(k, ints(next(numbers) for _ in range(size))) for k, size in enumerate(sizes)]


def everything(chain: FoldChain) -> list[Message]:
    made: list[Message] = []
    ended = False
    while not ended:
        words, ended = chain.advance(3, 9.0)
        assert len(words) <= 3
        made += words
    return made


def shown(words: Iterable[Message]) -> list[Any]:
    return [word if isinstance(word, Mark) else (word.number, word.block.values.tolist()) for word in words]  # type: ignore[union-attr]  # folds give no empty items


def test_blocks_go_through_all_and_are_numbered_anew() -> None:
    chain = FoldChain(members("fold", Rebatches(3), Rebatches(2)))
    chain.feed([*items(2, 5), NumberedBlock(2, None)])
    assert shown(everything(chain)) == [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])]
    chain.finish()
    assert shown(everything(chain)) == [(3, [6])]


def test_the_books_of_each_fold_balance() -> None:
    both = members("fold", Rebatches(3), Rebatches(2))
    chain = FoldChain(both)
    chain.feed(items(2, 5))
    everything(chain)
    assert [(m.meter.in_, m.meter.out, m.meter.held, m.meter.under_way) for m in both] == [
        (7, 6, 1, 0),
        (6, 6, 0, 0),
    ]
    assert [(m.meter.blocks_in, m.meter.blocks_out) for m in both] == [(2, 2), (2, 3)]
    chain.finish()
    everything(chain)
    assert [(m.meter.in_, m.meter.out, m.meter.held) for m in both] == [(7, 7, 0), (7, 7, 0)]


def test_marks_and_the_end_reach_the_folds_in_their_order() -> None:
    log: list[str] = []
    chain = FoldChain(members("fold", Notes(log, "a"), Notes(log, "b")))
    chain.feed([*items(1), Mark.EPOCH])
    words = shown(everything(chain))
    assert words == [(0, [0]), (1, [-1]), (2, [-1]), Mark.EPOCH]  # a's block for the mark, b's own, the mark
    chain.finish()
    assert shown(everything(chain)) == [(3, [-2]), (4, [-2])]
    assert log == [
        "a push 0",
        "b push 0",
        "a epoch 1",
        "b push 1",
        "b epoch 2",
        "a flush 2",
        "b push 3",
        "b flush 4",
    ]


def test_a_fold_that_does_not_care_passes_marks_on() -> None:
    chain = FoldChain(members("fold", Folds()))
    chain.feed([Mark.CAUGHT_UP, Mark.EPOCH])
    assert shown(everything(chain)) == [Mark.CAUGHT_UP, Mark.EPOCH]


def test_no_more_is_made_at_once_than_was_asked_for() -> None:
    made: list[int] = []

    def push(block: Ints, call: Call) -> Iterator[Block]:
        for n in range(10):
            made.append(n)
            yield block

    chain = FoldChain(members("fold", Folds(push)))
    chain.feed(items(1))
    words, ended = chain.advance(4, 9.0)
    assert (len(words), ended, len(made)) == (4, False, 4)


def test_a_hop_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(folds_module, "perf_counter", lambda: float(next(now)))
    chain = FoldChain(members("fold", Folds(lambda block, _: [block] * 10)))
    chain.feed(items(1))
    words, ended = chain.advance(10, 0.5)
    assert (len(words), ended) == (1, False)


def test_an_idle_fold_is_asked_and_what_it_gives_goes_on() -> None:
    log: list[str] = []
    idle = Counts()
    chain = FoldChain(members("fold", idle, Notes(log, "b")))
    assert chain.idles
    for _ in range(4):
        chain.rest()
        everything(chain)
    assert idle.asked == [0, 1, 2, 2]  # asked in vain does not count
    assert log == ["b push 0", "b push 1"]
    assert not FoldChain(members("fold", Folds())).idles


def fails(block: Ints, call: Call) -> Iterable[Block]:
    raise DataError("bad", where="a.txt: 1")


def test_a_fold_that_fails_is_named() -> None:
    chain = FoldChain(members("fold", Folds(fails)))
    chain.feed(items(1))
    with pytest.raises(DataError) as caught:
        chain.advance(4, 9.0)
    assert caught.value.__notes__ == ["in stage 'fold', declared at here.py:1"]


def test_a_block_that_cannot_be_taken_is_skipped() -> None:
    (one,) = members("fold", Folds(fails), on_error="skip")
    chain = FoldChain([one])
    chain.feed(items(3, 2))
    assert everything(chain) == []
    assert (one.meter.in_, dict(one.meter.dropped), one.meter.under_way) == (5, {"bad": 5}, 0)


def test_folds_that_share_a_call_say_what_cpu_each_took_and_one_alone_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1.0]

    def computes(seconds: float) -> Folds:
        def push(block: Ints, call: Call) -> Iterator[Block]:
            for _ in range(2):
                clock[0] += seconds
                yield block

        return Folds(push)

    monkeypatch.setattr(fold_call, "thread_time", lambda: clock[0])
    monkeypatch.setattr(fold_call, "perf_counter", lambda: 2 * clock[0])  # half of the time on a CPU
    both = members("fold", computes(0.25), computes(2.0))
    chain = FoldChain(both)
    chain.feed(items(1))
    assert len(everything(chain)) == 4
    assert [member.meter.busy for member in both] == [1.0, 16.0]
    assert [member.meter.cpu.share() for member in both] == [0.5, 0.5]
    alone = members("fold", computes(0.25))
    chain = FoldChain(alone)
    chain.feed(items(1))
    everything(chain)
    assert alone[0].meter.cpu.share(0.125) == 0.125  # its job is asked
