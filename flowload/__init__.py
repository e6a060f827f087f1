"""Scientific training data from disk to device: a live dataflow graph at kernel speed that loses no sample."""

from flowload.graph import Graph
from flowload.runtime.engine import Runtime

__all__ = ["Graph"]

Graph.engine = Runtime()
