"""What can be asked of a drawing about itself: nodes, description, pictures, memory; and its equality."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from flowload.abc.operators import Setting
from flowload.graph.plan import Placed, Plan

from .check import check_plan
from .describe import Row, describe, signature
from .draw import picture, to_dot, to_mermaid
from .memory import memory_of

__all__ = ["Describable"]


class Describable:
    """Gives graphs their words and pictures; two of the same description are equal."""

    drawn: ClassVar[Callable[[Any], dict[str, str]] | None] = None  #: as a picture; bound by the package

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """The drawing in its compiled form."""

    def nodes(self) -> tuple[Placed, ...]:
        """The nodes in flow order, with their final names."""
        return self.plan.nodes

    def check(self) -> None:
        """Raise GraphError unless this graph can be run."""
        check_plan(self.plan)

    def describe(self) -> list[Row]:
        """Plain rows, one a node: name, word, parameters, inputs, outputs, workers, where."""
        return describe(self.plan)

    @cached_property
    def signature(self) -> str:
        """The description without the lines of the declarations, as JSON: what makes graphs equal."""
        return signature(self.describe())

    def __eq__(self, other: object) -> bool:
        return self.signature == other.signature if isinstance(other, Describable) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.signature)

    def __repr__(self) -> str:
        return picture(self.describe())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:  # IPython says what it wants by name
        """What a notebook shows: the drawing as SVG, and as text."""
        draw = type(self).drawn
        return {"text/plain": repr(self)} if draw is None else draw(self)

    def to_dot(self) -> str:
        """The drawing in Graphviz's DOT."""
        return to_dot(self.describe())

    def to_mermaid(self) -> str:
        """The drawing as a Mermaid flowchart."""
        return to_mermaid(self.describe())

    def memory(self, *, cpus: int = 1, seed: int = 0, epochs: int | None = 1) -> dict[str, int]:
        """Bytes that one run holds at most, as the stages estimate it, by node name; and their "total"."""
        rows = memory_of(self.plan, Setting(seed=seed, epochs=epochs, cpus=cpus))
        return {**rows, "total": sum(rows.values())}
