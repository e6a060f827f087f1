"""What is made of arrays that batches share, such as constant pair indices: made once, not for each batch."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

__all__ = ["Shared"]

T = TypeVar("T")


class Shared(Generic[T]):
    """Keeps what was made of an array for as long as the array lives; several threads may ask at once.

    Args:
        make: what is made, from the array and its key in the batch.
    """

    def __init__(self, make: Callable[[NDArray[Any], str], T]) -> None:
        self.make = make
        self.lock = threading.Lock()
        self.made: dict[int, tuple[weakref.ref[NDArray[Any]], T]] = {}  # by id of the array

    def get(self, array: NDArray[Any], key: str) -> T:
        """What was made of this very array."""
        with self.lock:
            known = self.made.get(id(array))
            if known is not None and known[0]() is array:
                return known[1]
            self.sweep()
            made = self.make(array, key)
            self.made[id(array)] = weakref.ref(array), made
            return made

    def sweep(self) -> None:
        """Let go of what was made of arrays that are gone."""
        for number in [number for number, (array, _) in self.made.items() if array() is None]:
            del self.made[number]
