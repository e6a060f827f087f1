"""What a pipeline is: stages, ports and wiring, as values; nothing runs here."""

from .build import Graph, place
from .describe import Row
from .engine import Batches, Engine, Stream
from .load import Pipeline, load, options_of, pipeline
from .node import Node, Port, Stage
from .options import Option, convert
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
