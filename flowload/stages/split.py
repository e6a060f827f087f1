"""`fl.split`: chunks go one way or another, for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import Chunks, Frames
from flowload.graph import Graph, Stage, place
from flowload.graph.check import check_name
from flowload.protocols import Call, Operator, Setting

from .checks import check_weights
from .hashing import choose_output, hash_rows, thresholds

__all__ = ["ByHash", "SplitStage", "split"]


@dataclass(frozen=True, kw_only=True)
class SplitStage(Stage):
    """The declaration of `split`."""

    word: ClassVar[str] = "split"
    accepts: ClassVar[tuple[type, ...]] = (Chunks, Frames)

    weights: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self.word, [weight for _, weight in self.weights])
        for name, _ in self.weights:
            check_name(name, "an output")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What came in, at every output."""
        return {name: incoming[0] for name, _ in self.weights}

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One route. A second split in a row has a hash of its own, or it would cut along the first."""
        salt = sum(isinstance(stage, SplitStage) for stage in setting.upstream)
        return (ByHash(self.weights, salt),)


class ByHash:
    """Sends rows by the hash of their chunk."""

    def __init__(self, weights: Sequence[tuple[str, float]], salt: int) -> None:
        self.names = [name for name, _ in weights]
        self.borders = thresholds([weight for _, weight in weights])
        self.salt = salt

    def route(self, block: Chunks | Frames, call: Call) -> Mapping[str, Chunks | Frames]:
        """The rows of each output, in their order."""
        chosen = choose_output(hash_rows(block, self.salt), self.borders)
        counts = np.bincount(chosen, minlength=len(self.names))
        return {
            name: block if count == len(block) else take(block, np.flatnonzero(chosen == number), call)
            for number, (name, count) in enumerate(zip(self.names, counts.tolist(), strict=True))
            if count
        }


def take(block: Chunks | Frames, rows: NDArray[np.intp], call: Call) -> Chunks | Frames:
    """Some rows of a block; frames move to a leased buffer of their own, which their reader may overwrite."""
    if isinstance(block, Chunks):
        return block.select(rows)
    stride = block.data.shape[1]
    data = call.lease(len(rows) * stride).reshape(len(rows), stride)
    np.take(block.data, rows, axis=0, out=data, mode="clip")  # "raise" would go through a buffer
    return Frames(block.format, block.sources, data, block.origin[rows])


def split(**weights: float) -> Graph:
    """Send each chunk to one of several outputs, such as `split(train=0.9, valid=0.1)`.

    The way is chosen by a hash of the chunk's file name and its number in the file: it is the same in every
    pass, process, machine and version, wherever the folder is mounted; frames of one chunk are never
    separated. Splits one after another are independent.

    Args:
        weights: the outputs' names and shares; they need not add up to 1.
    """
    return place(SplitStage(weights=tuple(weights.items())))
