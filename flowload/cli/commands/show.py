"""`flowload show FILE`: the drawing and what it will hold in memory, without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from flowload.cli.parsing.command import Asked, FileCommand
from flowload.cli.parsing.completion import PipelineFile
from flowload.cli.view.lines import say
from flowload.cpus import usable_cpus
from flowload.graph import Graph
from flowload.observe.figures import align, size

__all__ = ["show"]


@click.command(cls=FileCommand)
@click.argument("file", type=PipelineFile(path_type=Path))
@click.option(
    "--format", "style", type=click.Choice(["text", "dot", "mermaid", "json"]), default="text", help="[text]"
)
@click.option("-v", "--verbose", count=True, help="Show tracebacks.")
@click.pass_obj
def show(asked: Asked, /, *, style: Literal["text", "dot", "mermaid", "json"], **_: object) -> int:
    """Print the graph that FILE draws, checked but not run."""
    graph = asked.file.draw()
    graph.check()
    pictures = {"text": text, "dot": Graph.to_dot, "mermaid": Graph.to_mermaid, "json": as_json}
    say(pictures[style](graph).rstrip())
    return 0


def text(graph: Graph) -> str:
    """The drawing, and the memory that each node that holds any will take."""
    memory = graph.memory(cpus=usable_cpus())
    held = [(name, size(nbytes)) for name, nbytes in memory.items() if nbytes and name != "total"]
    rows = [*held, ("total", size(memory["total"]))]
    return "\n".join([repr(graph), "", f"memory at most, with {usable_cpus()} CPUs:", *align(rows, "<>")])


def as_json(graph: Graph) -> str:
    """The rows of `Graph.describe`, and the memory by node in bytes."""
    return json.dumps({"nodes": graph.describe(), "memory": graph.memory(cpus=usable_cpus())}, indent=2)
