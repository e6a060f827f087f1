"""What a pipeline is: stages, ports and wiring, as values; nothing runs here."""

from flowload.graph.inspect.describe import Row
from flowload.graph.pipelines.load import Pipeline, load, options_of, pipeline
from flowload.graph.pipelines.options import Option, convert

from .build import Graph, place
from .engine import Engine
from .faces import Batches, Stream
from .node import Node, Port, Stage
from .outputs import outputs
from .plan import End, Origin, Placed, Plan

__all__ = [
    "Batches",
    "End",
    "Engine",
    "Graph",
    "Node",
    "Option",
    "Origin",
    "Pipeline",
    "Placed",
    "Plan",
    "Port",
    "Row",
    "Stage",
    "Stream",
    "convert",
    "load",
    "options_of",
    "outputs",
    "pipeline",
    "place",
]
