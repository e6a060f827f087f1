"""`fl.sample_within`: batches of indices into the window that they come with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.amount import Amount
from flowload.abc.needs import Need
from flowload.abc.operators import Call, OnError, Operator, Setting, State
from flowload.abc.stage import whole
from flowload.blocks import Batch
from flowload.errors import DataError, GraphError, NoLength
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.kernels.philox import integers, permutation, stream
from flowload.stages.wiring.tee import read_only

from .csr import CSR

if TYPE_CHECKING:
    from flowload.stages.device.neighbours import OnDevice

__all__ = ["SampleWithin", "SampleWithinStage", "sample_within"]

STARTS, NEURONS = 0, 1  #: streams of a batch


@dataclass(frozen=True, kw_only=True)
class SampleWithinStage(Stage):
    """The declaration of `sample_within`."""

    word: ClassVar[str] = "sample_within"
    accepts: ClassVar[tuple[type, ...]] = (Batch,)
    makes: ClassVar[type] = Batch
    cuts: ClassVar[bool] = True

    batch: int
    steps: int
    neurons: int | None = None
    graph: CSR | None = None
    per_window: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = {"batch": self.batch, "steps": self.steps}
        optional = {"neurons": self.neurons, "per_window": self.per_window}
        numbers |= {name: value for name, value in optional.items() if value is not None}
        for name, value in numbers.items():
            least = int(name != "steps")
            if not whole(value) or value < least:
                raise GraphError(f"sample_within: {name} is {value!r}; wanted a number from {least}")
        if (self.graph is None) != (self.neurons is None):
            raise GraphError("sample_within: neurons and graph go together: how many are chosen, and of what")
        if self.graph is not None and self.neurons is not None and self.neurons > len(self.graph):
            raise GraphError(f"sample_within: neurons is {self.neurons:,}; the graph has {len(self.graph):,}")

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One fold. Raises GraphError where the windows upstream are too small."""
        for stage in setting.upstream:
            size = getattr(getattr(stage, "records", None), "size", None)
            if isinstance(size, int):
                self.check(size)
        return (SampleWithin(self, on_device=any(stage.word == "to_device" for stage in setting.upstream)),)

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """The batches of all windows; one that is too short makes none."""
        found = incoming[0]
        if found.windows is None:
            raise NoLength("sample_within: how long the windows are that come to it shows only when it runs")
        batches = sum(n * self.batches_of(rows) for rows, n in found.windows.items())
        return {"out": Amount(samples=batches * self.batch, blocks=batches, unsure=found.unsure)}

    def batches_of(self, rows: int) -> int:
        """How many batches a window of so many rows makes."""
        return 0 if rows <= self.steps else self.per_window or rows // self.batch

    def needs(self, setting: Setting) -> Iterator[Need]:  # noqa: ARG002 - the same in every setting
        """Those that draw indices, and neurons."""
        numbers, words = np.empty(2, np.int64), stream((0, 0))
        yield integers, (numbers, 1, 0, words, 0)
        if self.graph is not None:
            yield permutation, (numbers, words, 0)
            yield self.graph.need()

    def uneven(self, setting: Setting) -> str | None:
        """A shorter window gives fewer batches; in random order only shorter recordings do."""
        if any(getattr(stage, "order", None) == "sequential" for stage in setting.upstream):
            return "the last window of a recording is shorter, and gives fewer batches; a random one is not"
        return super().uneven(setting)

    def check(self, size: int) -> None:
        """Raise GraphError unless windows of so many rows can be sampled."""
        if self.steps >= size:
            raise GraphError(
                f"sample_within: steps is {self.steps:,}, and windows have {size:,} rows: no start leaves "
                f"room; raise size above {self.steps:,}, or lower steps"
            )
        if self.per_window is None and self.batch > size:
            raise GraphError(
                f"sample_within: batch is {self.batch:,}, more than the {size:,} rows of a window; "
                "raise size, lower batch, or say per_window"
            )


class SampleWithin:
    """A fold that makes its batches as they are taken; each carries its window, shared.

    Args:
        stage: the declaration.
        on_device: windows are tensors on a device: batches are made there.
    """

    held = 0

    def __init__(self, stage: SampleWithinStage, *, on_device: bool = False) -> None:
        self.stage = stage
        self.on_device = on_device
        self.made = 0  # batches, since the stream began

    @cached_property
    def there(self) -> OnDevice:
        """Made in a call: it imports torch."""
        from flowload.stages.device.neighbours import OnDevice  # noqa: PLC0415

        graph = self.stage.graph
        return OnDevice(None, None) if graph is None else OnDevice(graph.indptr, graph.indices)

    def push(self, block: Batch, call: Call) -> Iterator[Batch]:
        """The batches of one window."""
        call.opened(0)
        starts, count = len(block) - self.stage.steps, self.stage.batches_of(len(block))
        if not count:
            self.refuse(block, call)
            return
        self.check_graph(block)
        window = block
        if not self.on_device:
            shared = {key: read_only(array) for key, array in {**block.arrays, **block.whole}.items()}
            window = replace(block, whole=shared)
        for number in range(count):
            call.opened(self.stage.batch)
            self.made += 1
            yield self.sample(window, starts, call, more=number > 0)

    def refuse(self, block: Batch, call: Call) -> None:
        """The last window of a pass may be too short; a recording may not."""
        if int(block.whole.get("start", 0)) > 0:
            call.opened(len(block))
            call.drop(len(block), "last window too short")
            return
        error = DataError(
            "recording too short",
            where="sample_within",
            found=f"{len(block):,} rows",
            wanted=f"more than steps={self.stage.steps:,}, and at least batch={self.stage.batch:,}",
        )
        call.reject(error, len(block))

    def check_graph(self, block: Batch) -> None:
        """Raise DataError unless the arrays have the graph's neurons."""
        graph = self.stage.graph
        for name, array in block.arrays.items() if graph is not None else ():
            if array.ndim > 1 and array.shape[1] == len(graph or ()):
                return
            wide = f"{name!r} has shape {list(array.shape)}"
        if graph is not None:
            wanted = f"the graph's {len(graph):,} neurons on axis 1"
            raise DataError(
                "other neurons than the graph's", where="sample_within", found=wide, wanted=wanted
            )

    def sample(self, window: Batch, starts: int, call: Call, *, more: bool) -> Batch:
        """One batch of a window, all of which is shared; it depends on the seed and its number alone."""
        number = self.made - 1
        index = np.empty(self.stage.batch, np.int64)
        integers(index, starts, 0, stream(call.key(), number, STARTS), 0)
        graph, count = self.stage.graph, self.stage.neurons
        rows = None if graph is None or count is None else self.chosen(graph, count, number, call)
        if self.on_device:
            return self.there.batch(window, index, rows, more=more)
        whole = dict(window.whole)
        if graph is not None and rows is not None:
            whole["neurons"] = graph.closure(rows)
        return replace(window, arrays={"index": index}, whole=whole, more=more)

    def chosen(self, graph: CSR, count: int, number: int, call: Call) -> NDArray[np.int64]:
        """Neurons, each at most once."""
        order = np.empty(len(graph), np.int64)
        permutation(order, stream(call.key(), number, NEURONS), count)
        return order[:count].copy()

    def close(self) -> None:
        """Let go of what lies on a device."""
        if "there" in self.__dict__:
            self.there.close()

    def flush(self, call: Call) -> Iterator[Batch]:  # noqa: ARG002 - the shape of a Fold
        """No blocks: this fold holds nothing."""
        self.made = 0
        return iter(())

    def state(self) -> State:
        """How many batches were made."""
        return {"made": self.made}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.made = state["made"]


@names_keywords
def sample_within(
    batch: int,
    steps: int,
    *,
    neurons: int | None = None,
    graph: Any = None,
    per_window: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Make batches of indices of each window, such as a training loop on recordings needs.

    Each batch has `index` [batch] int64, uniform on [0, rows - steps): sample i is rows `index[i]` to
    `index[i] + steps` of the window. It also carries the window's own arrays and `start`: the same memory for
    all batches of a window, read-only, of which `to_device` makes tensors once. And, with a graph, `neurons`
    [m] int64.

    Behind `to_device` the same batches are made where the windows are: only the numbers of the samples and
    of the chosen neurons are copied for each, and neighbours are found on the device.

    Args:
        batch: samples of a batch.
        steps: how far behind its index a sample looks.
        neurons: so many neurons are chosen for each batch; `neurons` of the batch are these and their
            neighbours, sorted, each once.
        graph: whose neighbours: a folder with `indptr.npy` and `indices.npy`, (indptr, indices), or a CSR
            matrix of scipy.
        per_window: batches of a window; None: its rows // batch. See `epoch_plan`.
        on_error: what a recording that is too short does: "raise" ends the run, "skip" counts its rows.
        max_errors: under "skip": how many rows (int) or which share (float) may be skipped.

    Examples:
        >>> recording = sample_path("neural")
        >>> windows = fl.windows(recording, 512, count=1)
        >>> graph = windows >> fl.sample_within(64, steps=8, neurons=4, graph=recording)
        >>> with graph.iterate(seed=0) as batches:
        ...     batch = next(batches)
        >>> now, later = batch["timeseries"][batch["index"]], batch["timeseries"][batch["index"] + 8]
        >>> now.shape, sorted(batch)
        ((64, 32, 4), ['index', 'neurons', 'start', 'timeseries'])
    """
    return place(
        SampleWithinStage(
            batch=batch,
            steps=steps,
            neurons=neurons,
            graph=None if graph is None else CSR.of(graph),
            per_window=per_window,
            on_error=on_error,
            max_errors=max_errors,
        )
    )
