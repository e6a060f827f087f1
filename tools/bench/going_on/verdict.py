"""What became of a stream that was left and gone on with: counts of rows, and words for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

__all__ = ["Steps", "Verdict", "judged", "steps_of"]

Steps = list[list[int]]


class Verdict(NamedTuple):
    """The rest of a stream, beside the rest that it would have had."""

    exact: bool  #: the same rows in the same steps; with as many ranks, in the same order
    lost: int  #: rows that would have come, and did not
    twice: int  #: known rows that came once more than they would have
    new: int  #: rows that were not there before

    def __str__(self) -> str:
        if self.exact:
            return "exact"
        counts = [f"{self.lost:,} lost"] * bool(self.lost) + [f"{self.twice:,} twice"] * bool(self.twice)
        counts += [f"{self.new:,} new"] * bool(self.new)
        return ", ".join(counts) or "each row once, other batches"


def steps_of(ranks: Sequence[Steps], *, ordered: bool) -> Steps:
    """Step by step the rows of all ranks; not ordered: sorted, as with another number of ranks."""
    whole = [[row for batch in step for row in batch] for step in zip_longest(*ranks, fillvalue=[])]
    return whole if ordered else [sorted(step) for step in whole]


def judged(wanted: Steps, got: Steps, known: int) -> Verdict:
    """Rows below `known` were there before."""
    due = Counter(row for step in wanted for row in step)
    came = Counter(row for step in got for row in step)
    more = came - due
    new = sum(count for row, count in more.items() if row >= known)
    return Verdict(wanted == got, (due - came).total(), more.total() - new, new)
