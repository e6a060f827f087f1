"""The end of an output that nobody wants: a real sink, so that its samples are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowload.abc.operators import Block, Call, Operator, Setting

from .node import Stage

__all__ = ["Drop", "Unused"]


@dataclass(frozen=True, kw_only=True)
class Drop(Stage):
    """Declaration of a node that ends a stream: everything is dropped, and counted."""

    word: ClassVar[str] = "drop"
    accepts: ClassVar[tuple[type, ...]] = (object,)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - whatever comes
        """Nothing: it has no output."""
        return {}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Map, which drops every block."""
        return (Unused(),)


class Unused:
    """A map that gives nothing on."""

    def apply(self, block: Block, call: Call) -> None:
        """Count the block's samples as dropped."""
        call.drop(len(block), "unused")
