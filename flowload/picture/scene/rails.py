"""The graph as a table on rails: a row for every stage and consumer in the order of the flow, in a lane.

A branch's first port keeps its stage's lane, others take the next free one until they are merged or end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowload.graph.inspect.describe import Outlet
from flowload.graph.inspect.describe import Row as Described
from flowload.printable import printable

__all__ = ["Link", "Rails", "Row", "rails_of"]


class Row(NamedTuple):
    """A stage, or whoever takes the batches of an output."""

    name: str  #: of the stage; of a consumer `output 'train'`, as in the statistics
    label: str  #: what is shown
    lane: int
    output: str  #: of a consumer: which it takes; of a stage empty
    gives: str  #: what its blocks are
    where: str  #: file and line of its declaration
    parameters: tuple[tuple[str, str], ...]
    workers: int  #: as declared; 0: nothing was said


class Link(NamedTuple):
    """Where blocks go, from row `above` to row `below`, down a lane."""

    above: int
    below: int
    lane: int
    source: str  #: as queues call it: stage, and port where it has several
    target: str
    port: str  #: empty where a stage has one


@dataclass(frozen=True)
class Rails:
    """A whole graph, placed; rows and lanes depend on nothing but the graph."""

    title: str
    rows: tuple[Row, ...]
    links: tuple[Link, ...]
    lanes: int
    memory: int = 0  #: bytes that a run takes at most, as the stages reckon

    def row(self, name: str) -> int:
        """The number of a row; -1: there is none of that name."""
        return next((k for k, row in enumerate(self.rows) if row.name == name), -1)


class Lanes:
    """Which lanes are taken, going down the rows."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.most = 1

    def next_free(self) -> int:
        """Take one."""
        lane = next(k for k in range(len(self.taken) + 1) if k not in self.taken)
        self.taken.add(lane)
        self.most = max(self.most, lane + 1)
        return lane


class Open(NamedTuple):
    """A port that leads on from a row."""

    row: int
    lane: int
    port: str


def rails_of(described: Sequence[Described], title: str = "", memory: int = 0) -> Rails:
    """Place the rows of `graph.describe()`."""
    lanes, rows, links = Lanes(), list[Row](), list[Link]()
    ends = [outlet["end"] for row in described for outlet in row["outputs"] if outlet["end"] is not None]
    waiting: dict[tuple[str, str], Open] = {}
    for stage in described:
        into = [waiting.pop(key) for inlet in stage["inputs"] if (key := key_of(inlet)) in waiting]
        lane = min(each.lane for each in into) if into else lanes.next_free()
        lanes.taken -= {each.lane for each in into if each.lane != lane}
        here = len(rows)
        rows.append(stage_row(stage, lane))
        links += [link_of(rows, each, here) for each in into]
        leave(stage, here, lane, lanes, waiting)
        for outlet in stage["outputs"]:
            if outlet["end"] is not None:
                each = waiting.pop((stage["name"], outlet["port"]))
                rows.append(consumer_row(outlet, each.lane, alone=len(ends) == 1))
                links.append(link_of(rows, each, len(rows) - 1))
                lanes.taken.discard(each.lane)
    return Rails(printable(title), tuple(rows), tuple(links), lanes.most, memory)


def key_of(inlet: object) -> tuple[str, str]:
    """The port that an inlet reads."""
    assert isinstance(inlet, dict)  # noqa: S101 - as `Inlet` says
    return str(inlet["node"]), str(inlet["port"])


def leave(stage: Described, here: int, lane: int, lanes: Lanes, waiting: dict[tuple[str, str], Open]) -> None:
    """Open the ports of a row: the first goes on in its lane."""
    read = [outlet for outlet in stage["outputs"] if outlet["reader"] or outlet["end"] is not None]
    if not read:
        lanes.taken.discard(lane)
    for number, outlet in enumerate(read):
        own = lane if number == 0 else lanes.next_free()
        port = "" if len(stage["outputs"]) == 1 and outlet["port"] == "out" else outlet["port"]
        waiting[stage["name"], outlet["port"]] = Open(here, own, port)


def link_of(rows: Sequence[Row], opened: Open, below: int) -> Link:
    """A port that found its reader."""
    source = rows[opened.row].name
    return Link(
        opened.row,
        below,
        opened.lane,
        f"{source}.{opened.port}" if opened.port else source,
        rows[below].name,
        printable(opened.port),
    )


def stage_row(stage: Described, lane: int) -> Row:
    """The row of a stage."""
    gives = " + ".join(dict.fromkeys(outlet["type"] for outlet in stage["outputs"]))
    shown = tuple((printable(name), printable(worded(value))) for name, value in stage["parameters"].items())
    return Row(
        name=stage["name"],
        label=printable(stage["name"]),
        lane=lane,
        output="",
        gives=printable(gives) or "nothing",
        where=printable(stage["where"]),
        parameters=shown,
        workers=stage["workers"] or 0,
    )


def worded(value: object) -> str:
    """A parameter as people write it."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def consumer_row(outlet: Outlet, lane: int, *, alone: bool) -> Row:
    """The row of whoever takes an output."""
    end = outlet["end"]
    label = "trainer" if alone else f"trainer, {end}"
    return Row(f"output {end!r}", printable(label), lane, str(end), "", "", (), 0)
