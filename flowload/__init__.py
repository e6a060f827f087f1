"""Scientific training data from disk to device: a live dataflow graph at kernel speed; no sample is lost."""

import flowload.platforms  # first: elsewhere the rest cannot even be imported

# isort: split
import flowload.adapters.engine
import flowload.printable
from flowload.blocks import Batch
from flowload.errors import FlowloadError
from flowload.graph import Graph, Stage, load, outputs, pipeline, place
from flowload.stages.batch import batch
from flowload.stages.bucket import bucket
from flowload.stages.discover import discover
from flowload.stages.epoch_plan import EpochPlan, epoch_plan
from flowload.stages.filter import filter  # noqa: A004 - the word that users know
from flowload.stages.map import map  # noqa: A004 - the word that users know
from flowload.stages.merge import merge
from flowload.stages.mix import mix
from flowload.stages.read import read
from flowload.stages.read_windows import read_windows, windows
from flowload.stages.reservoir import reservoir
from flowload.stages.rows_source import rows
from flowload.stages.sample_within import sample_within
from flowload.stages.shard import shard
from flowload.stages.shuffle import shuffle
from flowload.stages.shuffle_pool import shuffle_pool
from flowload.stages.source import source
from flowload.stages.split import split
from flowload.stages.tee import tee
from flowload.stages.to_device import to_device
from flowload.stages.unpack import unpack
from flowload.stages.window_starts import window_starts

__all__ = [
    "Batch",
    "EpochPlan",
    "FlowloadError",
    "Graph",
    "Stage",
    "batch",
    "bucket",
    "discover",
    "epoch_plan",
    "filter",
    "load",
    "map",
    "merge",
    "mix",
    "outputs",
    "pipeline",
    "place",
    "read",
    "read_windows",
    "reservoir",
    "rows",
    "sample_within",
    "shard",
    "shuffle",
    "shuffle_pool",
    "source",
    "split",
    "tee",
    "to_device",
    "unpack",
    "window_starts",
    "windows",
]

# The one place where drawing and running meet: the graph layer knows no engine.
Graph.engine = flowload.adapters.engine.Adapters()

# Whoever handles flowload's log lines gets them printable.
flowload.printable.filter_logs()
