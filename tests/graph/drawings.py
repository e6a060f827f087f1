"""Stages that only stand in drawings, and random programs that draw with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flowload.abc.operators import Operator, Setting
from flowload.graph import Graph, Stage, outputs, place

__all__ = [
    "Apples",
    "Map",
    "Pears",
    "Program",
    "Source",
    "head",
    "mapped",
    "merge",
    "pears",
    "source",
    "split",
]


class Apples:
    """A port type."""


class Pears:
    """Another, which no apple is."""


@dataclass(frozen=True, kw_only=True)
class Drawn(Stage):
    """Never opened."""

    mark: int = 0

    def open(self, setting: Setting) -> Sequence[Operator]:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Source(Drawn):
    word: ClassVar[str] = "source"
    kind: type = Apples

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"out": self.kind}

    def memory(self, setting: Setting) -> int:
        return 100 * setting.cpus


@dataclass(frozen=True, kw_only=True)
class Map(Drawn):
    word: ClassVar[str] = "map"
    accepts: ClassVar[tuple[type, ...]] = (Apples,)
    function: Callable[..., Any] | None = None

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"out": incoming[0]}

    def memory(self, setting: Setting) -> int:
        return 10 * len(setting.upstream) + len(setting.downstream)


@dataclass(frozen=True, kw_only=True)
class PearsOnly(Drawn):
    word: ClassVar[str] = "pears"
    makes: ClassVar[type] = Pears
    accepts: ClassVar[tuple[type, ...]] = (Pears,)


@dataclass(frozen=True, kw_only=True)
class Split(Drawn):
    word: ClassVar[str] = "split"
    accepts: ClassVar[tuple[type, ...]] = (object,)
    ports: tuple[str, ...]

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return dict.fromkeys(self.ports, incoming[0])


@dataclass(frozen=True, kw_only=True)
class Merge(Drawn):
    word: ClassVar[str] = "merge"
    accepts: ClassVar[tuple[type, ...]] = (object,)
    fan_in: ClassVar[bool] = True

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"out": incoming[0]}


def source(mark: int = 0, kind: type = Apples) -> Graph:
    return place(Source(mark=mark, kind=kind))


def mapped(mark: int = 0, **fields: Any) -> Graph:
    return place(Map(mark=mark, **fields))


def pears(mark: int = 0) -> Graph:
    return place(PearsOnly(mark=mark))


def split(*ports: str, mark: int = 0) -> Graph:
    return place(Split(mark=mark, ports=ports))


def merge(mark: int = 0) -> Graph:
    return place(Merge(mark=mark))


def head() -> Graph:
    return source() >> mapped()


@dataclass(frozen=True)
class Program:
    """A random way to draw: (what, which of the open ends, another of them) for each step.

    `draw` gives the graph, and the edges that it must have as (mark, port, mark); every node has its
    own mark, the first 0.
    """

    steps: tuple[tuple[str, int, int], ...]

    def draw(self, first: Graph) -> tuple[Graph, set[tuple[int, str, int]]]:
        tips: list[tuple[Graph, int, str]] = [(first, 0, "out")]
        edges: set[tuple[int, str, int]] = set()
        for mark, (what, one, other) in enumerate(self.steps, 1):
            taken = [tips.pop(one % len(tips))] if what != "source" else []
            if what == "merge" and tips:
                taken.append(tips.pop(other % len(tips)))
            edges |= {(at, port, mark) for _, at, port in taken}
            tips += [(graph, mark, port) for graph, port in self.step(what, mark, [t[0] for t in taken])]
        return outputs(**{f"end{number}": graph for number, (graph, _, _) in enumerate(tips)}), edges

    def step(self, what: str, mark: int, heads: list[Graph]) -> list[tuple[Graph, str]]:
        if what == "source":
            return [(source(mark), "out")]
        if what == "map":
            return [(heads[0] >> mapped(mark), "out")]
        if what == "merge":
            return [(heads >> merge(mark), "out")]
        parts = heads[0] >> split("left", "right", mark=mark)
        return [(parts["left"], "left"), (parts["right"], "right")]
