"""The end of a stream that all ranks end in the same step: what one has more is cut, and counted.

No word of a user's: the engine puts it behind graphs whose ranks may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from flowload.abc.operators import Block, Call, Operator, Setting, State
from flowload.abc.stage import Joins
from flowload.blocks import Bundle, Item
from flowload.errors import RankError
from flowload.graph import Stage

__all__ = ["NOBODY", "Agreement", "EqualRanks", "EqualRanksStage", "farewell"]

NOBODY = 1 << 62  #: above every number of batches, and every rank


class Agreement(Protocol):
    """What the ranks of a training tell each other: each exchange takes part of every rank."""

    def least(self, numbers: Sequence[int]) -> Sequence[int] | None:
        """The smallest of each of these numbers that any rank gave; None: this rank was stopped meanwhile.

        Waits for the other ranks. Raises RankError where they cannot be reached.
        """

    def stop(self, numbers: Sequence[int]) -> None:
        """Give these numbers to the next exchange, and wait for nobody; a call of `least` returns None."""

    def close(self) -> None:
        """End all exchanges; `least` returns from now on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EqualRanksStage(Stage):
    """See the module.

    Args:
        agreement: with the other ranks; of one run.
        rank: this one's number.
        size: samples of a full batch; None: every block is one step, whatever it holds.
    """

    word: ClassVar[str] = "equal_ranks"
    accepts: ClassVar[tuple[type, ...]] = (object,)
    executor: ClassVar[str] = "io"
    bundles: ClassVar[bool] = True

    agreement: Agreement
    rank: int
    size: int | None = None

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """One output, with the type of its input."""
        return {"out": incoming[0]}

    def joins(self, setting: Setting) -> Joins:  # noqa: ARG002 - wherever it stands
        """Ranks end together, and so do their lanes."""
        return "before"

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: one Fold."""
        ranks = EqualRanks(self.agreement, self.rank, self.size, round=setting.round)
        ranks.apart = setting.align
        return (ranks,)


class EqualRanks:
    """A fold: gives the next batch when every rank has one.

    In each exchange a rank tells how many full batches it has had so far, the one in its hands included, and
    at its end that it will have no more. All may give as many as the one that has had the fewest. The
    smallest last number is the end for all; what others have more is dropped. Smaller batches at the end are
    given where all ranks end with one of the same size, which takes one more exchange.

    Where a rank has several lanes, a batch of each, which come in turn and are of one size, counts as one.

    Args:
        agreement: with the other ranks.
        rank: this one's number.
        size: samples of a full batch; None: every block is one step.
        round: batches that count as one.
    """

    def __init__(self, agreement: Agreement, rank: int, size: int | None, *, round: int = 1) -> None:  # noqa: A002
        self.agreement = agreement
        self.round = round
        self.turn: list[Block] = []  # of a round that is not complete
        self.rank = rank
        self.size = size
        self.short: Block | None = None  # a smaller batch, perhaps the last
        self.apart = False  #: its passes are kept apart
        self.gone = False  # this rank was stopped, or another one has: nobody is told any more
        self.begin()

    def begin(self) -> None:
        """A new stream, or a new pass of one whose passes are apart."""
        self.given = 0  # full batches
        self.agreed = 0  # those that all ranks have had
        self.over = False  # one rank has had its last: the others give as many
        self.more: bool | None = None  # it was told whether this rank has more than that

    @property
    def held(self) -> int:
        """The smaller batch, and those of a round that is not complete."""
        return sum(map(len, self.turn)) + (0 if self.short is None else len(self.short))

    def push(self, block: Block, call: Call) -> Iterator[Block]:
        """The batches of a block, as far as all ranks have them. Raises RankError."""
        parts = self.rounds(getattr(block, "bundled", (block,)))
        if not parts:
            return
        if self.short is not None:
            parts.insert(0, self.short)  # it was not the last
            self.short = None
        if self.is_short(parts[-1]):
            self.short = parts.pop()
        while parts and not self.gone:
            count = max(0, min(self.agreed - self.given, len(parts)))
            if count:
                self.given += count
                yield together(parts[:count])
                del parts[:count]
            elif self.over:
                self.tell_rest(NOBODY)
                break
            else:
                self.agree(self.given + len(parts), NOBODY)
        call.drop(sum(map(len, parts)), "cut to equal ranks")

    def rounds(self, blocks: Sequence[Block]) -> list[Block]:
        """The rounds that are complete with these batches."""
        if self.round == 1:
            return list(blocks)
        found = []
        for block in blocks:
            self.turn.append(block)
            if len(self.turn) == self.round:
                found.append(together(self.turn))
                self.turn = []
        return found

    def flush(self, call: Call) -> Iterator[Block]:
        """This rank has no more: the others are told. Raises RankError."""
        while not self.over and not self.gone:
            self.agree(self.given, self.given)
        short, self.short = self.short, None
        if self.tell_rest(0 if short is None else len(short)) and short is not None:
            yield short
        elif short is not None:
            call.drop(len(short), "cut to equal ranks")
        call.drop(sum(map(len, self.turn)), "cut to equal ranks")
        self.turn = []
        self.begin()

    def is_short(self, block: Block) -> bool:
        """Whether a block is less than a full batch."""
        return self.size is not None and len(block) < self.size * self.round and not isinstance(block, Item)

    def agree(self, so_far: int, last: int) -> None:
        """Exchange how many batches this rank has had, and how many there will be, if that is known."""
        answer = self.exchange(so_far, last)
        if answer is not None:
            self.agreed = answer[0]
            self.over = answer[1] < NOBODY  # whoever has ended has given all, so the others have had as many

    def tell_rest(self, samples: int) -> bool:
        """Once a stream: exchange how many samples are left, fewer than a batch; True: as many everywhere."""
        if self.size is None or self.more is not None:
            return False
        self.more = samples == NOBODY
        answer = self.exchange(samples, -samples)
        return answer is not None and answer[0] == samples == -answer[1]

    def exchange(self, first: int, second: int) -> tuple[int, int] | None:
        """The smallest of each over all ranks; None: this rank was stopped. Raises RankError."""
        if self.gone:
            return None
        self.gone = True  # unless all goes well
        least = self.agreement.least((first, second, NOBODY, NOBODY))
        if least is None:
            return None
        for rank, what in ((least[2], "failed"), (least[3], "left its run before the end")):
            if rank < NOBODY:
                raise RankError(
                    f"rank {rank} {what}, and so rank {self.rank} cannot go on, after {self.given:,} steps;"
                    f" the log of rank {rank} says why"
                )
        self.gone = False
        return least[0], least[1]

    def stop(self, *, failed: bool) -> None:
        """Tell the others that this rank takes no part any more; a call that waits for them returns."""
        self.agreement.stop(farewell(self.rank, failed=failed))

    def close(self) -> None:
        """Tell the other ranks that this one leaves."""
        self.agreement.close()

    @property
    def unsaved(self) -> str | None:
        """Why it has no state: not while batches wait, which is a matter of moments.

        One rank's may be of the pass before another's: they would take each other's ends for theirs.
        """
        if self.apart:
            return "ranks agree pass by pass, and may have been saved in two"
        return "" if self.short is not None or self.turn or self.over else None

    def state(self) -> State:
        """How many batches were given."""
        return {"given": self.given}

    def stand_at(self, rounds: int) -> None:
        """See `AtRound`: all ranks count from the beginning of the stream, wherever each of them goes on."""
        self.given = self.agreed = rounds

    def restore(self, state: State) -> None:
        """Go on there. Ranks that go on at different steps agree: those ahead wait in their exchanges."""
        self.given = self.agreed = state["given"]


def farewell(rank: int, *, failed: bool) -> tuple[int, int, int, int]:
    """The last numbers of a rank: no more batches, and which rank has failed, or left."""
    return (0, 0, rank, NOBODY) if failed else (0, 0, NOBODY, rank)


def together(parts: list[Block]) -> Block:
    """Several blocks joined into one."""
    if len(parts) == 1:
        return parts[0]
    each: list[Any] = [one for part in parts for one in getattr(part, "bundled", (part,))]
    return Bundle(tuple(each), sum(part.nbytes for part in parts), sum(map(len, parts)))
