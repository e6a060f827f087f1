"""Torch: a graph as a data set, for `DataLoader`, Lightning's `Trainer.fit` and Hugging Face's `Trainer`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from operator import index
from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset, default_collate, get_worker_info
from torch.utils.data._utils.fetch import _IterableDatasetFetcher

from flowload.abc.stage import whole
from flowload.errors import GraphError, NoLength
from flowload.graph import Graph
from flowload.graph.engine import Even, RunOrder
from flowload.graph.faces import Batches
from flowload.graph.inspect.even import shares_of
from flowload.graph.inspect.length import length_of
from flowload.stages.device.tensor import as_tensor

__all__ = ["GraphDataset", "as_iterable_dataset", "only"]


def as_iterable_dataset(
    graph: Graph,
    *,
    seed: int = 0,
    epochs: int | None = 1,
    length: int | None = None,
    even: Even = "auto",
    cpus: int | None = None,
) -> GraphDataset:
    """A graph as a data set: what `Graph.as_torch_dataset` returns; see there.

    Examples:
        >>> import torch
        >>> graph = fl.rows({"x": np.arange(6)}) >> fl.batch(3)
        >>> loader = torch.utils.data.DataLoader(as_iterable_dataset(graph), batch_size=None)
        >>> [batch["x"].tolist() for batch in loader]
        [[0, 1, 2], [3, 4, 5]]
    """
    order = RunOrder(seed=seed, epochs=epochs, even=even, cpus=cpus)
    return GraphDataset(graph, order, length=length)


class GraphDataset(IterableDataset[Any]):
    """Gives a graph's batches as tensors. Iteration number k is pass k of the seed, so each has its order.

    Where an iteration has several passes, they are the next ones; where it has no end, it begins at pass k.

    An iteration begins, and is counted, when its first batch is asked for: some trainers call `iter()` only
    to see whether they may.

    Examples:
        >>> dataset = (fl.rows({"x": np.arange(6)}) >> fl.shuffle() >> fl.batch(6)).as_torch_dataset(seed=1)
        >>> first, second = (next(iter(dataset))["x"] for _ in range(2))
        >>> bool((first == second).all())
        False
    """

    def __init__(self, graph: Graph, order: RunOrder, *, length: int | None = None) -> None:
        super().__init__()
        self.order = order
        names = [end.name for end in graph.plan.ends]
        if len(names) != 1:
            raise GraphError(f"a data set is one stream; this graph has {len(names)}: {', '.join(names)}")
        if length is not None and (not whole(length) or length < 0):
            raise GraphError(f"length is {length!r}; wanted a number of batches from 0, or None")
        self.graph = graph
        self.length = length
        self.epoch = 0  #: number of the next iteration
        self.start: Mapping[str, Any] | None = None  #: where the next iteration goes on
        self.run: Batches | None = None  #: of the iteration that did not reach its end

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        if worker is not None:
            raise GraphError(
                f"this is worker process {worker.id} of {worker.num_workers} of a DataLoader, and each would "
                "read all data again; a graph has workers of its own: use num_workers=0 and batch_size=None"
            )
        check_loader()
        even = self.order.even
        if (processes := dealt_by_accelerate()) > 1:
            check_whole(self.graph, processes)
            even = "allow"  # the ranks' batches come from one stream, or from streams that are the same
        first, state = self.first_pass(self.epoch), self.start
        self.epoch, self.start = self.epoch + 1, None
        order = replace(self.order, first_epoch=first, even=even, state=state)
        with self.graph.bound_engine().iterate(self.graph, order) as run:
            self.run = run
            for batch in run:
                yield as_tensors(batch)
        if self.run is run:
            self.run = None

    def __len__(self) -> int:
        """Batches of an iteration. Raises NoLength, a TypeError as torch wants it, where nobody knows."""
        if self.length is not None:
            return self.length
        blocks, why = length_of(self.graph.plan, run=self.order.setting())
        if why is not None:
            raise NoLength(f"{why}; as_torch_dataset(length=...) says it")
        return blocks

    def first_pass(self, epoch: int) -> int:
        """Number of the pass with which an iteration begins."""
        return epoch * (self.order.epochs or 1)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration this one; what trainers call before each epoch. Keeps a loaded position."""
        if index(epoch) != self.epoch:
            self.epoch, self.start = index(epoch), None

    def state_dict(self) -> dict[str, Any]:
        """JSON values from which `load_state_dict` goes on behind the last batch that was given."""
        epoch, run = (self.epoch, self.start) if self.run is None else (self.epoch - 1, self.run.state_dict())
        return {"seed": self.order.seed, "epoch": epoch, "first_epoch": self.first_pass(epoch), "run": run}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next iteration go on there. Raises GraphError for the state of something else."""
        try:
            seed, epoch, start = state["seed"], index(state["epoch"]), state["run"]
            first = state.get("first_epoch", None if epoch else 0)
        except (KeyError, TypeError, AttributeError) as error:
            raise GraphError(f"this is not the state of a data set: {state!r}") from error
        if seed != self.order.seed:
            raise GraphError(f"the state is of another seed: found {seed!r}, wanted {self.order.seed!r}")
        if first is None:
            raise GraphError(
                f"this state was saved in epoch {epoch} by a version whose epochs had seeds of their own,"
                f" here {seed} + {epoch}: only that version can go on with it; set_epoch({epoch}) begins the"
                " epoch anew"
            )
        if first != self.first_pass(epoch):
            raise GraphError(
                f"the state is of another number of epochs an iteration: found iteration {epoch} from pass"
                f" {first} on, wanted from {self.first_pass(epoch)} on"
            )
        self.epoch, self.start, self.run = epoch, start, None


def check_loader() -> None:
    """Raise GraphError where a DataLoader is about to make batches of the graph's batches.

    Asked when the first batch is: then the loader's own frame, which has what it was told, is on the stack.
    """
    frame = inspect.currentframe()
    while frame is not None:
        fetcher = frame.f_locals.get("self")
        if isinstance(fetcher, _IterableDatasetFetcher) and frame.f_code.co_name == "fetch":
            size = len(frame.f_locals["possibly_batched_index"]) if fetcher.auto_collation else None
            if size is not None and (size > 1 or fetcher.collate_fn is default_collate):
                raise GraphError(
                    f"this DataLoader has batch_size={size}, and would make batches of the graph's batches:"
                    " say DataLoader(data, batch_size=None), and the size in the graph: fl.batch(...)"
                )
            return
        frame = frame.f_back


def dealt_by_accelerate() -> int:
    """Processes among which Accelerate deals what the calling loader gives; 1 where it does not."""
    accelerate = sys.modules.get("accelerate")
    frame = None if accelerate is None else inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "accelerate.data_loader":
            return int(accelerate.PartialState().num_processes) if accelerate is not None else 1
        frame = frame.f_back
    return 1


def check_whole(graph: Graph, processes: int) -> None:
    """Raise GraphError for a graph that takes a rank's share, of which each would get a part again."""
    for name, share in shares_of(graph.plan).items():
        if share.world > 1:
            raise GraphError(
                f"Accelerate deals the batches of this loader to its {processes} processes, and {name!r}"
                f" takes one share of {share.world} before: the rest of the data would never be seen. Leave"
                " fl.shard() out of the graph; or, in a loop of your own, do not prepare() its loader"
            )


class OnDevice(dict[str, Any]):
    """A batch with tensors that are on a device already.

    `DataLoader(pin_memory=True)`, as Hugging Face's `Trainer` makes it, asks a batch of a type of its own to
    pin itself; of a plain dictionary it would pin each tensor, and fail at the first one that is on a GPU.
    """

    def pin_memory(self) -> OnDevice:
        """The batch, with those tensors pinned that are on the CPU."""
        return OnDevice({key: pinned(value) for key, value in self.items()})


def pinned(value: Any) -> Any:
    """A tensor on the CPU in page-locked memory; anything else as it is."""
    return value.pin_memory() if isinstance(value, Tensor) and value.device.type == "cpu" else value


def as_tensors(batch: Any) -> Any:
    """A batch's numpy arrays as tensors on the same memory; anything else stays as it is."""
    if not isinstance(batch, Mapping):
        return batch
    given = {key: as_tensor(value, key) if hasattr(value, "dtype") else value for key, value in batch.items()}
    there = any(isinstance(value, Tensor) and value.device.type != "cpu" for value in given.values())
    return OnDevice(given) if there else given


def only(batches: list[Any]) -> Any:
    """The one batch of a list of one: the `data_collator` (or `collate_fn`) of loaders that insist on a size.

    With Hugging Face's `Trainer`: `per_device_train_batch_size=1, data_collator=only`.

    Examples:
        >>> only([{"x": 1}])
        {'x': 1}
    """
    (batch,) = batches
    return batch
