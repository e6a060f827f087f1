"""What a pipeline is: stages, ports and wiring, as values; nothing runs here."""

from .build import Graph, outputs, place
from .node import Node, Port, Stage
from .plan import Placed, Plan

__all__ = ["Graph", "Node", "Placed", "Plan", "Port", "Stage", "outputs", "place"]
