"""The call of a capsule once more, alone and in this thread; or, where others lead to it, all up to it."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import anyio

from flowload.abc.operators import Map, Source
from flowload.errors import DataError, GraphError
from flowload.graph import Graph, load
from flowload.graph.keywords import names_keywords
from flowload.runtime.channel import EndOfStream
from flowload.runtime.order import Order
from flowload.runtime.run import Run
from flowload.runtime.tasks.call import Member, RunCall

from .block import digest_of, from_json
from .write import CAPSULE

__all__ = ["Replay", "read_capsule", "replay"]


@dataclass(frozen=True)
class Replay:
    """What came of a call: samples that it gave, or None, which is nothing; and whether it was alone.

    `changed`: the record's bytes are others than when the capsule was written.
    """

    samples: int | None
    alone: bool
    changed: bool = False


def read_capsule(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """What a capsule says. Raises DataError for any other file."""
    wanted = "what a run with capsules= writes"
    try:
        found = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise DataError("no capsule", where=os.fspath(path), found=str(error), wanted=wanted) from error
    if not isinstance(found, dict) or found.get("capsule") != CAPSULE:
        raise DataError("no capsule", where=os.fspath(path), found="another file", wanted=wanted)
    return found


@names_keywords
def replay(path: str | os.PathLike[str], graph: Graph | None = None) -> Replay:
    """Make the call of a capsule again; raises what it raises, noted with its stage.

    A map that was given references, or small arrays, is called alone, in this thread. A source is asked up to
    there. Of a fold, which holds what came before, the run is made again from its beginning.

    Args:
        path: the capsule.
        graph: the drawing; None: that of the pipeline file that the capsule names.

    Raises GraphError where nobody says which drawing; DataError for what is no capsule.

    Examples:
        >>> from pathlib import Path
        >>> def picky(batch):
        ...     return {"x": 1 // batch["x"]} if 7 not in batch["x"] else None / 2
        >>> graph = fl.rows({"x": np.arange(1, 9)}) >> fl.batch(4) >> fl.map(picky)
        >>> try:
        ...     with graph.iterate(capsules="capsules") as batches:
        ...         list(batches)
        ... except TypeError:
        ...     (capsule,) = Path("capsules").iterdir()
        >>> try:
        ...     fl.replay(capsule, graph)
        ... except TypeError as error:
        ...     print(error)
        unsupported operand type(s) for /: 'NoneType' and 'int'
    """
    capsule = read_capsule(path)
    if graph is None:
        graph = drawn(capsule, path)
    order = Order(graph=graph, **{**capsule["run"], "cpus": 1})
    return anyio.run(again, capsule, order)


def drawn(capsule: Mapping[str, Any], path: str | os.PathLike[str]) -> Graph:
    """The drawing of the pipeline file that a capsule names. Raises GraphError where it names none."""
    if capsule["pipeline"] is None:
        raise GraphError(
            f"{os.fspath(path)}: the run's graph was drawn in a script; replay(path, graph) takes it, or give"
            " the pipeline file that draws it"
        )
    return load(capsule["pipeline"]["path"], **capsule["pipeline"]["options"])


async def again(capsule: Mapping[str, Any], order: Order) -> Replay:
    """Open the graph, and make the call."""
    run = await order.begun()
    try:
        member = find(run, capsule["operator"])
        if isinstance(member.operator, Map) and capsule["block"] is not None:
            return await map_again(capsule, order, member)
        if isinstance(member.operator, Source):
            return await source_again(capsule, member)
        return await run_again(run, member.node)
    finally:
        for close in (run.compiled.close, run.compiled.release, run.pool.close):
            close()


def find(run: Run, name: str) -> Member:
    """The operator of that name. Raises GraphError."""
    for member in run.compiled.members:
        if member.name == name:
            return member
    raise GraphError(f"the graph has no operator {name!r}; it is another than that of the capsule")


async def map_again(capsule: Mapping[str, Any], order: Order, member: Member) -> Replay:
    """Call a map on its block."""
    block = from_json(capsule["block"], order.graph.nodes())
    where = (capsule.get("error") or {}).get("where", "")
    changed = capsule["digest"] is not None and digest_of(block, where) != capsule["digest"]
    call = strict(member, capsule["number"], block)
    operator: Any = member.operator
    with member:
        made = operator.apply(block, call)
        if inspect.isawaitable(made):
            made = await made
    return Replay(None if made is None else len(made), alone=True, changed=changed)


async def source_again(capsule: Mapping[str, Any], member: Member) -> Replay:
    """Ask a source for the blocks of the pass, up to the one where it failed, and for that one."""
    call = strict(member, capsule["number"], None)
    operator: Any = member.operator
    blocks = 0
    with member:
        stream: Any = operator.epoch(capsule["epoch"], call)
        if hasattr(stream, "__aiter__"):
            async for _ in stream:
                blocks += 1
        else:
            blocks = sum(1 for _ in islice(stream, None))
    return Replay(blocks, alone=True)


def strict(member: Member, number: int, block: Any) -> RunCall:
    """A call in which bad data are an error."""
    member.strict = True
    return member.call(number, block, 0 if block is None else len(block))


async def run_again(run: Run, node: str) -> Replay:
    """Run everything, until it fails as it did."""
    for member in run.compiled.nodes[node]:
        member.strict = True
    given = 0
    async with anyio.create_task_group() as group:
        await run.start(group)
        try:
            for output in run.compiled.outputs:
                try:
                    while True:
                        given += len(await run.take(output))
                except EndOfStream:
                    continue
        except Exception as error:  # noqa: BLE001 - raised below: from the group it would come in a group
            failure: Exception | None = error
        else:
            failure = None
        finally:
            await run.stop()
    if failure is not None:
        raise failure
    return Replay(given, alone=False)
