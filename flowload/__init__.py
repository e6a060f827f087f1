"""Scientific training data from disk to device: a live dataflow graph at kernel speed; no sample is lost."""

import typing as _typing

import flowload.platforms  # first: elsewhere the rest cannot even be imported

# isort: split
import flowload.adapters.engine
import flowload.moved
import flowload.picture.doors
import flowload.printable
from flowload.adapters.agreeing.preempt import on_preempt
from flowload.blocks import Batch
from flowload.errors import FlowloadError
from flowload.graph import Graph, Stage, load, outputs, pipeline, place
from flowload.graph.names import near as _near
from flowload.observe.step_times import StepTimes
from flowload.picture.doors import watch
from flowload.runtime.capsules.replay import replay
from flowload.runtime.state.file import load_state, save_state
from flowload.stages.batches.batch import batch
from flowload.stages.chunks.read import read
from flowload.stages.chunks.reservoir import reservoir
from flowload.stages.chunks.shuffle_pool import shuffle_pool
from flowload.stages.chunks.unpack import unpack
from flowload.stages.device.to_device import to_device
from flowload.stages.files.discover import discover
from flowload.stages.rows.best_slots import best_slots
from flowload.stages.rows.bucket import bucket
from flowload.stages.rows.rows import rows
from flowload.stages.rows.shuffle import shuffle
from flowload.stages.user.filter import filter  # noqa: A004 - the word that users know
from flowload.stages.user.fold import fold
from flowload.stages.user.map import map  # noqa: A004 - the word that users know
from flowload.stages.user.source import source
from flowload.stages.windows.epoch_plan import EpochPlan, epoch_plan
from flowload.stages.windows.read_range import read_range
from flowload.stages.windows.read_windows import read_windows, windows
from flowload.stages.windows.sample_within import sample_within
from flowload.stages.windows.window_starts import window_starts
from flowload.stages.wiring.merge import merge
from flowload.stages.wiring.mix import mix
from flowload.stages.wiring.shard import shard
from flowload.stages.wiring.split import split
from flowload.stages.wiring.tee import tee

__all__ = [
    "Batch",
    "EpochPlan",
    "FlowloadError",
    "Graph",
    "Stage",
    "StepTimes",
    "batch",
    "best_slots",
    "bucket",
    "discover",
    "epoch_plan",
    "filter",
    "fold",
    "load",
    "load_state",
    "map",
    "merge",
    "mix",
    "on_preempt",
    "outputs",
    "pipeline",
    "place",
    "read",
    "read_range",
    "read_windows",
    "replay",
    "reservoir",
    "rows",
    "sample_within",
    "save_state",
    "shard",
    "shuffle",
    "shuffle_pool",
    "source",
    "split",
    "tee",
    "to_device",
    "unpack",
    "watch",
    "window_starts",
    "windows",
]

# The one place where drawing and running meet: the graph layer knows no engine.
Graph.engine = flowload.adapters.engine.Adapters()
# What a notebook shows of a graph and of a run; and a page for every run, where the environment asks for it.
flowload.picture.doors.open_all(Graph.engine)

# Names of modules as they were before 0.2.
flowload.moved.find_moved()

# Whoever handles flowload's log lines gets them printable.
flowload.printable.filter_logs()


if not _typing.TYPE_CHECKING:  # a type checker would take every word for a known one

    def __getattr__(name: str) -> object:
        """Name the word that is nearest to one that does not exist."""
        hint = _near(name, __all__)
        raise AttributeError(f"module 'flowload' has no attribute {name!r}{hint}", name=name, obj=None)
