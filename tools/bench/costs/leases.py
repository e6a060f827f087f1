"""Batches that cost nothing but their way: leased and not written to, or a user's one array again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

import flowload as fl
from flowload.abc.operators import Call, Operator, Setting
from flowload.blocks import Batch
from flowload.graph import Stage, place

__all__ = ["leased", "owned"]


class Leases:
    """Operator: a batch of so many bytes."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes

    def apply(self, block: Batch, call: Call) -> Batch:  # noqa: ARG002 - the shape of a Map
        """Whatever lay there before."""
        return Batch({"x": call.lease(self.nbytes)})


@dataclass(frozen=True, kw_only=True)
class LeaseStage(Stage):
    """Gives a lease for each batch that comes."""

    word: ClassVar[str] = "lease"
    accepts: ClassVar[tuple[type, ...]] = (Batch,)

    nbytes: int

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - whatever comes
        """Batches."""
        return {"out": Batch}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - the same everywhere
        """One map."""
        return (Leases(self.nbytes),)


def again(nbytes: int) -> Iterator[dict[str, Any]]:
    """The same array for ever."""
    return repeat({"x": np.zeros(nbytes, np.uint8)})


def leased(nbytes: int) -> fl.Graph:
    """Batches in memory of the run's own."""
    return fl.source(partial(again, 1)) >> place(LeaseStage(nbytes=nbytes))


def owned(nbytes: int) -> fl.Graph:
    """Batches in memory of a user's own."""
    return fl.source(partial(again, nbytes))
