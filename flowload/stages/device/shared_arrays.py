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
        self.made = Made()  # by id of the array: a reference to it, and what was made

    def get(self, array: NDArray[Any], key: str) -> T:
        """The tensor made of this very array object; None: there is none."""
        with self.lock:
            known = self.made.get(id(array))
            if known is not None and known[0]() is array:
                found: T = known[1]
                return found
            made = self.make(array, key)
            self.made[id(array)] = weakref.ref(array, forgetting(self.made, id(array))), made
            return made

    def knows(self, array: NDArray[Any]) -> bool:
        """Whether something was made of this very array."""
        known = self.made.get(id(array))
        return known is not None and known[0]() is array


class Made(dict[int, Any]):
    """A dict that can be referred to weakly."""

    __slots__ = ("__weakref__",)


def forgetting(made: Made, number: int) -> Callable[[object], None]:
    """Lets go of what was made of an array as soon as that is gone: it may be large. Takes no lock.

    Refers to the dict weakly: else that, and all that is in it, would be garbage only a collection finds.
    """
    where = weakref.ref(made)

    def forget(array: object) -> None:
        held = where()
        if held is not None and (known := held.get(number)) is not None and known[0] is array:
            held.pop(number, None)

    return forget
