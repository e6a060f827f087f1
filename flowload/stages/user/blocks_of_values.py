"""What user functions see of blocks and what becomes of what they return, by one rule for all stages."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import CoroutineType, TracebackType
from typing import Any

import numpy as np

from flowload.abc.operators import Block, Call, OnError
from flowload.blocks import Batch, Item
from flowload.errors import DataError
from flowload.printable import text_of

__all__ = [
    "USER",
    "Blaming",
    "as_block",
    "check_count",
    "check_lengths",
    "has_rows",
    "kept_whole",
    "lengths_of",
    "seen_by_user",
    "unequal",
]

#: Where an error is that names no file: the same word for every block, so that a log tells it once.
USER = "user function"


def seen_by_user(block: Block) -> Any:
    """What a consumer would get: the dict of arrays of a Batch, the value of an Item, else the block."""
    deliver = getattr(block, "deliver", None)  # a protocol asked at run time would cost more than the rest
    return block if deliver is None else deliver()


def as_block(value: Any, whole: Collection[str] = ()) -> Block:
    """What a user's value becomes.

    A dict of arrays is a Batch with one row a sample, a block stays itself, anything else (a lone array
    too: nobody knows whether its rows are samples) is an Item. Tensors on a card are given what must be
    waited for: asked in the thread of the function, whose streams they are made in. Raises TypeError for a
    coroutine, which nobody would ever await.

    Args:
        value: what was returned.
        whole: keys of arrays that have no row a sample: perhaps no rows at all.
    """
    return on_card(unwrapped(value, whole))


def unwrapped(value: Any, whole: Collection[str]) -> Block:
    """The block of a value, whose arrays may be on the CPU or on a card."""
    if isinstance(value, Batch | Item):
        return value  # asked first: what follows costs as much as a short call
    if isinstance(value, CoroutineType):
        value.close()
        raise TypeError("a coroutine was returned; give the `async def` function, not one that calls it")
    if isinstance(value, dict):
        own = [array for key, array in value.items() if key not in whole]
        if own and all(map(has_rows, own)):
            return Batch(value)
    if isinstance(value, Block) and not isinstance(value, memoryview) and not hasattr(value, "__array__"):
        return value
    return Item(value)


def on_card(block: Block) -> Block:
    """A block that knows what to wait for, where it has tensors on a card."""
    # Who has not imported torch has no tensors; nor has who is importing it now, in another thread.
    initialized = getattr(getattr(sys.modules.get("torch"), "cuda", None), "is_initialized", None)
    if initialized is None or not initialized():
        return block
    from flowload.stages.device.on_card import wrapped  # noqa: PLC0415 - imports torch

    return wrapped(block)


def has_rows(value: object) -> bool:
    """Whether a value is an array with a first axis."""
    return hasattr(value, "nbytes") and bool(getattr(value, "shape", ()))


def unequal(batch: Batch) -> str:
    """The lengths of a batch's arrays, in words, where they differ; else nothing."""
    if len(batch.arrays) == 1:
        return ""  # what is the rule where batches are small, and this is felt
    lengths = {np.shape(array)[:1] for array in batch.arrays.values()}
    return lengths_of(batch.arrays) if len(lengths) > 1 else ""


def lengths_of(values: Mapping[Any, Any]) -> str:
    """The first axis of each value, in words; its type where it has none."""
    return ", ".join(
        f"{key} {list(value.shape[:1]) if has_rows(value) else type(value).__name__}"
        for key, value in values.items()
    )


def check_lengths(block: Batch, call: Call) -> None:
    """Raise DataError unless every array has one row a sample: cut apart, they would go to other samples."""
    if lengths := unequal(block):
        where = f"{USER}: block {call.number}"
        raise DataError(
            "unequal lengths", where=where, found=lengths, wanted="one row a sample in each array"
        )


def kept_whole(before: Block, after: Block) -> Block:
    """What a function made of a batch; arrays that had no row a sample still have none."""
    if not isinstance(before, Batch) or not isinstance(after, Batch) or not before.whole:
        return after
    whole = {key: array for key, array in after.arrays.items() if key in before.whole}
    arrays = {key: array for key, array in after.arrays.items() if key not in whole}
    return replace(after, arrays=arrays, whole={**whole, **after.whole}, more=before.more)


def check_count(before: Block, after: Block, call: Call) -> int:
    """The number of samples; DataError unless a user's function kept it.

    An Item that becomes a Batch, or the other way round, changes the unit: then the new samples are counted.
    """
    count = len(after)
    if isinstance(before, Item) is not isinstance(after, Item):
        call.opened(count)
    elif len(before) != count:
        raise DataError(
            "another number of samples",
            where=f"{USER}: block {call.number}",
            found=f"{count} returned",
            wanted=f"the {len(before)} that came in; fl.filter drops samples, and counts them",
        )
    return count


class Blaming:
    """Gives what a user's function raises in a `with` block to the error policy.

    A DataError is rejected as it is. Any other exception stays bare under "raise"; under "skip" it is
    counted by its type's name.
    """

    def __init__(self, block: Block, call: Call, on_error: OnError) -> None:
        self.block = block
        self.call = call
        self.on_error = on_error

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self.on_error == "raise" or not isinstance(error, Exception):
            return False
        blamed = error if isinstance(error, DataError) else as_data_error(error, self.call)
        self.call.reject(blamed, len(self.block))
        return True


def as_data_error(error: Exception, call: Call) -> DataError:
    """What a user's function raised, as something that can be skipped and counted."""
    blamed = DataError(type(error).__name__, where=f"{USER}: block {call.number}", found=text_of(error))
    blamed.__cause__ = error
    return blamed
