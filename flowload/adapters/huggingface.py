"""Hugging Face: a `Trainer` that takes graphs as its datasets, and counts their batches and samples right."""

from __future__ import annotations

import inspect
import logging
from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch.utils.data import DataLoader

from flowload.errors import FlowloadError, GraphError, NoLength
from flowload.graph import Graph
from flowload.graph.inspect.length import amount_of
from flowload.stages.batches.batch import BatchStage

from .torch_dataset import GraphDataset, only

try:
    from transformers import Trainer
except ImportError as error:  # pragma: no cover - where it is installed
    raise ImportError("the Trainer needs: pip install 'transformers[torch]'") from error

__all__ = ["GraphTrainer"]

log = logging.getLogger("flowload")


class GraphTrainer(Trainer):  # type: ignore[misc]  # untyped
    """`transformers.Trainer` over graphs: one that is given as a dataset makes its batches as it says itself.

    Its order has the trainer's `data_seed` (or `seed`). Keys that the model's `forward` does not take are
    left out, as Hugging Face does (`remove_unused_columns`). `per_device_train_batch_size` becomes the size
    of the graph's batches, so that samples are counted right.

    Args:
        train_dataset: a graph, or what Hugging Face takes.
        eval_dataset: the same, or a dict of them.
        arguments: all other arguments of `transformers.Trainer`.

    Raises GraphError for a graph without a known length, unless `max_steps` is set, and for several outputs.

    Examples:
        >>> import torch, transformers
        >>> graph = fl.rows({"x": np.zeros((8, 1), np.float32)}) >> fl.batch(4)
        >>> arguments = transformers.TrainingArguments(output_dir="out", use_cpu=True, report_to="none")
        >>> GraphTrainer(torch.nn.Linear(1, 1), arguments, train_dataset=graph).args.train_batch_size
        4
    """

    def __init__(
        self, *args: Any, train_dataset: Any = None, eval_dataset: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        self.train_dataset = opened(train_dataset, seed)
        if isinstance(eval_dataset, dict):
            self.eval_dataset = {name: opened(each, seed) for name, each in eval_dataset.items()}
        else:
            self.eval_dataset = opened(eval_dataset, seed)
        if isinstance(self.train_dataset, GraphDataset):
            check_steps(self.train_dataset, self.args.max_steps)
            self.take_size(self.train_dataset)

    def take_size(self, data: GraphDataset) -> None:
        """Have the trainer count samples by the graph's batches."""
        size = size_of(data)
        given = self.args.per_device_train_batch_size
        if size and size != given:
            log.info("per_device_train_batch_size is %d, as the graph's batches; it was %d", size, given)
            self.args.per_device_train_batch_size = self._train_batch_size = size

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches for training, as the trainer asks for them."""
        if isinstance(self.train_dataset, GraphDataset):
            return self.loader(self.train_dataset)
        return super().get_train_dataloader()  # type: ignore[no-any-return]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Batches for an evaluation; each begins with the first pass."""
        data = self.eval_dataset if eval_dataset is None else eval_dataset
        data = self.eval_dataset[data] if isinstance(data, str) else opened(data, self.args.seed)
        if isinstance(data, GraphDataset):
            data.set_epoch(0)
            return self.loader(data)
        return super().get_eval_dataloader(data)  # type: ignore[no-any-return]

    def evaluation_loop(self, dataloader: DataLoader[Any], *arguments: Any, **more: Any) -> Any:
        """One evaluation, whose samples are counted as `num_examples` does."""
        output = super().evaluation_loop(dataloader, *arguments, **more)
        if not isinstance(dataloader.dataset, GraphDataset):
            return output
        return output._replace(num_samples=self.num_examples(dataloader))

    def loader(self, data: GraphDataset) -> DataLoader[Any]:
        """A loader of the graph's own batches, dealt to the ranks by Accelerate."""
        taken = self.taken()

        def collate(batches: list[Any]) -> Any:
            batch = only(batches)
            return batch if taken is None else {key: batch[key] for key in batch if key in taken}

        loader = DataLoader(
            data, batch_size=1, collate_fn=collate, pin_memory=self.args.dataloader_pin_memory
        )
        return self.accelerator.prepare(loader)  # type: ignore[no-any-return]

    def taken(self) -> set[str] | None:
        """The keys that the model takes; None: all."""
        parameters = inspect.signature(self.model.forward).parameters
        if not self.args.remove_unused_columns or any(
            each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()
        ):
            return None
        return {*parameters, *self.label_names, "label", "label_ids"}

    def num_examples(self, dataloader: DataLoader[Any]) -> int:
        """Samples of a loader, not batches: what the log's samples a second are made of."""
        data = dataloader.dataset
        if not isinstance(data, GraphDataset):
            return super().num_examples(dataloader)  # type: ignore[no-any-return]
        plan = data.graph.plan
        with suppress(FlowloadError):
            known = amount_of(plan, plan.ends[0].name, replace(data.order.setting(), epochs=1))
            if known.samples is not None:
                return known.samples
        return len(data) * (size_of(data) or 1)


def opened(data: Any, seed: int) -> Any:
    """A graph as the dataset of its batches; anything else as it is."""
    return data.as_torch_dataset(seed=seed) if isinstance(data, Graph) else data


def check_steps(data: GraphDataset, steps: int) -> None:
    """Raise GraphError where neither the graph nor the arguments know when an epoch ends."""
    try:
        len(data)
    except NoLength as error:
        if steps <= 0:
            raise GraphError(
                f"{error}; or say TrainingArguments(max_steps=...), since an epoch's steps are not known"
            ) from error


def size_of(data: GraphDataset) -> int:
    """Samples of a full batch; 0 where no stage says."""
    stages = [placed.stage for placed in reversed(data.graph.plan.nodes)]
    return next((stage.size for stage in stages if isinstance(stage, BatchStage)), 0)
