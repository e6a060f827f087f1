"""Tensors of arrays that several batches share, known by number: their arrays come anew with each batch.

Imports torch: see `tensors`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from flowload.stages.device.card_memory import BUDGET
from flowload.stages.device.tensor import SharedTensor, SharedTensors

__all__ = ["NumberedTensors"]

REMEMBERED = 1024  #: numbers of tensors that were let go


class NumberedTensors(SharedTensors):
    """Keeps a tensor though nobody looks at its array any more: that would hold memory of both processes.

    Nobody here knows when the last batch has come that has it. So the tensors used last are kept that take
    `budget` bytes together, and always those of the batch at work: a window goes when the next one comes,
    and many small constants stay. What was let go and is asked for again was so in vain, and raises the
    budget: batches of several windows in turn keep one of each.

    Args:
        device: where they go.
        budget: bytes.
        waits: for each copy, whose source may then go.
    """

    def __init__(self, device: torch.device, *, budget: int = BUDGET, waits: bool = False) -> None:
        super().__init__(device, waits=waits)
        self.budget = budget
        self.numbers: dict[int, int] = {}  # of the batch at work: by id of its array
        self.kept: OrderedDict[int, SharedTensor] = OrderedDict()  # by number, used last at the end
        self.gone: OrderedDict[int, None] = OrderedDict()

    def at_work(self, whole: Mapping[str, Any], numbers: Mapping[str, int]) -> None:
        """The batch whose arrays are asked for next.

        Args:
            whole: its arrays that several may share; they live until the next batch is at work.
            numbers: of those that several do.
        """
        self.numbers = {id(whole[key]): number for key, number in numbers.items() if key in whole}

    def get(self, array: NDArray[Any], key: str) -> torch.Tensor:
        """The one tensor of this array. Raises FlowloadError if somebody wrote to it."""
        number = self.numbers.get(id(array))
        if number is None:
            return self.made(array, key).unspoilt()
        known = self.kept.get(number)
        if known is None:
            known = self.made(array, key)
            if number in self.gone:
                self.budget += known.tensor.nbytes
            self.kept[number] = known
            self.let_go()
        self.kept.move_to_end(number)
        return known.unspoilt()

    def knows(self, array: NDArray[Any]) -> bool:
        """Whether there is a tensor of this array."""
        return self.numbers.get(id(array)) in self.kept

    def let_go(self) -> None:
        """Forget what was used longest ago, as far as the budget asks for it."""
        taken = sum(each.tensor.nbytes for each in self.kept.values())
        for number in [number for number in self.kept if number not in self.numbers.values()]:
            if taken <= self.budget:
                break
            taken -= self.kept.pop(number).tensor.nbytes
            self.gone[number] = None
        while len(self.gone) > REMEMBERED:
            self.gone.popitem(last=False)

    def close(self) -> None:
        """Forget all."""
        self.kept.clear()
        self.numbers.clear()
