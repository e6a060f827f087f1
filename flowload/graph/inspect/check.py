"""What must hold before a graph is run, beyond what `>>` has checked already."""

from __future__ import annotations

from collections.abc import Iterator

from flowload.errors import GraphError
from flowload.graph.plan import Origin, Plan

__all__ = ["check_plan", "problems"]


def check_plan(plan: Plan) -> None:
    """Raise GraphError that names everything that keeps this plan from being run."""
    found = list(problems(plan))
    if found:
        raise GraphError("\n".join(found))


def problems(plan: Plan) -> Iterator[str]:
    """One line for each thing that keeps this plan from being run.

    Names that are unique, ports that fit and one reader a port were checked when the graph was drawn.
    """
    read = {origin for placed in plan.nodes for origin in placed.inputs}
    read |= {Origin(end.node, end.port) for end in plan.ends}
    for placed in plan.nodes:
        where = f"{placed.name!r} is declared at {placed.node.where}"
        if placed.open:
            yield f"nothing flows into {placed.name!r}; join a source to it with '>>' ({where})"
        for port in placed.outputs:
            if (placed.name, port) not in read:
                yield f"nobody reads '{placed.name}.{port}'; join it or end it with .drop() ({where})"
    if not plan.ends:
        yield "nothing comes out of this graph: every output is dropped"
