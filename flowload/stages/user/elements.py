"""What the elements of a user's source are: blocks, values, or samples one by one."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from flowload.abc.operators import Block, Call
from flowload.blocks import Batch, Item
from flowload.errors import DataError

from .blocks_of_values import as_block, has_rows, lengths_of, unequal
from .samples import SampleStack

__all__ = ["Blocks", "Elements", "Samples"]

log = logging.getLogger("flowload")

LOOK = 16  #: blocks that are looked at before somebody is told that they may be samples
SMALL = 64  #: rows of a block that may as well be the first axis of a sample

SAY = "if each element is one sample, say so: fl.source(fn, samples=True)"


class Elements:
    """Each element is one value as it is, whatever it is: the user has said `gives=Item`."""

    def __init__(self) -> None:
        self.taken = 0  #: elements whose block was given

    def begin(self, given: int) -> None:
        """Begin a pass, of which so many elements were given before."""
        self.taken = given

    def take(self, value: Any, call: Call) -> Block | None:  # noqa: ARG002 - nothing to ask
        """The block that an element makes, or completes."""
        self.taken += 1
        return value if isinstance(value, Item) else Item(value)

    def rest(self) -> Block | None:
        """The pass is over: what no block was made of yet."""
        return None


class Samples(Elements):
    """Each element is a sample."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.stack = SampleStack(most, "source")

    def begin(self, given: int) -> None:
        """Begin a pass, of which so many samples were given before."""
        super().begin(given)
        first, self.stack = self.stack.first, SampleStack(self.most, "source")
        self.stack.number = given
        if first is not None:  # every pass has samples like those of the first
            self.stack.adopt(first)

    def take(self, value: Any, call: Call) -> Block | None:
        """The block that is full with a sample. Raises DataError for one that is unlike the first."""
        return self.counted(self.stack.take(value, call))

    def rest(self) -> Block | None:
        """The last block, smaller than the others; None: no samples wait."""
        return self.counted(self.stack.rest())

    def counted(self, block: Block | None) -> Block | None:
        """Count a block's samples as given; returns the block."""
        self.taken += 0 if block is None else len(block)
        return block


class Blocks(Elements):
    """Each element is a dict of arrays, with one row a sample in each; a block; or a value.

    Args:
        doubtful: say so, once, where all of them look as if they were samples.
    """

    def __init__(self, *, doubtful: bool) -> None:
        super().__init__()
        self.doubtful = doubtful
        self.seen = 0  # blocks that were looked at
        self.shapes: dict[str, tuple[int, ...]] = {}  # of the first

    def take(self, value: Any, call: Call) -> Block | None:  # noqa: ARG002 - nothing to ask
        """The block of an element; None for one without rows. Raises DataError for what cannot be one."""
        number, self.taken = self.taken, self.taken + 1
        if isinstance(value, dict):
            check(value, number)
        block = as_block(value)
        if not len(block):
            return None
        if isinstance(block, Batch) and (lengths := unequal(block)):
            raise refuse(number, lengths)
        self.look(block)
        return block

    def rest(self) -> Block | None:
        """Nothing; but a short pass may be doubtful as well."""
        if self.doubtful and self.seen > 1:
            self.tell()
        return None

    def look(self, block: Block) -> None:
        """Compare the shapes of the first blocks, to see whether they may be samples."""
        if not self.doubtful:
            return
        shapes = {key: np.shape(one) for key, one in block.arrays.items()} if isinstance(block, Batch) else {}
        if not self.seen:
            self.shapes = shapes
        self.seen += 1
        self.doubtful = shapes == self.shapes and might_be_a_sample(shapes)
        if self.doubtful and self.seen == LOOK:
            self.tell()

    def tell(self) -> None:
        """Log, once, that elements look like samples."""
        self.doubtful = False
        found = ", ".join(f"{key} {list(shape)}" for key, shape in self.shapes.items())
        text = (
            "source: each of the first %d elements has %s, and is taken as %d samples, along the first axis; "
            f"{SAY}; samples=False says that it is not"
        )
        log.warning(text, self.seen, found, next(iter(self.shapes.values()))[0])


def might_be_a_sample(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether arrays of these shapes may as well be one sample: few rows, or no other axis."""
    if not shapes:
        return False
    rows = next(iter(shapes.values()))[0]
    return rows <= SMALL or all(len(shape) == 1 for shape in shapes.values())


def check(value: dict[Any, Any], number: int) -> None:
    """Raise DataError for a dict that holds arrays or numbers, and is no block."""
    if all(map(has_rows, value.values())):
        return
    if any(has_rows(one) or is_number(one) for one in value.values()):
        raise refuse(number, lengths_of(value))


def is_number(value: object) -> bool:
    """Whether a value is a number: Python's, numpy's, or an array of no axis."""
    return isinstance(value, int | float | complex | np.generic) or getattr(value, "shape", None) == ()


def refuse(number: int, found: str) -> DataError:
    """For an element that is no block."""
    return DataError(
        "not a block",
        where=f"source: element {number}",
        found=found,
        wanted=f"arrays with one row a sample in each; {SAY}",
    )
