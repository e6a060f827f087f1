"""Other people's training loops over a graph. Each is tried where it is installed."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import flowload as fl
from flowload.adapters.torch import only
from flowload.errors import GraphError
from tests.adapters.test_ranks import ranks

X = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def graph() -> fl.Graph:
    return fl.rows({"x": X, "y": Y}) >> fl.shuffle() >> fl.batch(16) >> fl.to_device("cpu")


def firsts(seed: int, epochs: int) -> list[float]:
    """The first number of every batch of some epochs."""
    found = []
    for epoch in range(epochs):
        with graph().iterate(seed=seed, first_epoch=epoch) as run:
            found += [float(batch["x"][0, 0]) for batch in run]
    return found


@pytest.fixture
def quiet() -> Iterator[None]:
    """What they warn of is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def loaded(data: Any) -> Any:
    return DataLoader(data, batch_size=None, num_workers=0)


def bare(data: Any) -> Any:
    return data


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("wrap", [loaded, bare])
def test_lightning(wrap: Any, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Model(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 1)
            self.seen: list[float] = []

        def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
            self.seen.append(float(batch["x"][0, 0]))
            return torch.nn.functional.mse_loss(self.layer(batch["x"]), batch["y"])

        def validation_step(self, batch: dict[str, torch.Tensor], _: int) -> None:
            assert not batch["x"].requires_grad

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 1e-2)

    def fit(steps: int, start: Path | None = None) -> Any:
        trainer = lightning.Trainer(
            max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        model = Model()
        train = graph().as_torch_dataset(seed=1, length=7)
        valid = (fl.rows({"x": X, "y": Y}) >> fl.batch(32)).as_torch_dataset()
        more = {} if start is None else {"ckpt_path": start, "weights_only": False}
        trainer.fit(model, wrap(train), wrap(valid), **more)
        trainer.save_checkpoint(tmp_path / "saved.ckpt")
        return model.seen

    wanted = firsts(1, 3)
    assert fit(21) == wanted
    if wrap is bare:  # a plain DataLoader has no state
        assert fit(10) + fit(21, tmp_path / "saved.ckpt") == wanted


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_hugging_face(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    seen: list[float] = []

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 1)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(float(x[0, 0]))
            return {"loss": torch.nn.functional.mse_loss(self.layer(x), y)}

    arguments = transformers.TrainingArguments(
        str(tmp_path), per_device_train_batch_size=1, num_train_epochs=3, remove_unused_columns=False,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    data = graph().as_torch_dataset(seed=1, length=7)
    transformers.Trainer(Model(), arguments, train_dataset=data, data_collator=only).train()
    assert seen == firsts(1, 3)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_a_hugging_face_trainer_takes_graphs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from flowload.adapters.huggingface import GraphTrainer  # noqa: PLC0415

    seen: list[float] = []

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 1)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(float(x[0, 0]))
            return {"loss": torch.nn.functional.mse_loss(self.layer(x), y), "logits": x}

    def arguments(**more: Any) -> Any:
        return transformers.TrainingArguments(
            str(tmp_path), num_train_epochs=3, report_to=[], save_strategy="no", logging_strategy="no",
            disable_tqdm=True, use_cpu=True, data_seed=1, **more,
        )  # fmt: skip

    with caplog.at_level(logging.INFO, "flowload"):
        trainer = GraphTrainer(Model(), arguments(), train_dataset=graph(), eval_dataset=graph())
    assert "per_device_train_batch_size is 16, as the graph's batches; it was 8" in caplog.text
    told = trainer.train()
    assert seen == firsts(1, 3)
    assert told.global_step == 21
    assert trainer.num_examples(trainer.get_train_dataloader()) == 100
    measured = told.metrics
    rows = measured["train_samples_per_second"] * measured["train_runtime"]
    assert round(rows) == pytest.approx(300, abs=3)
    seen.clear()
    trainer.evaluate()
    told = trainer.evaluate()
    assert round(told["eval_samples_per_second"] * told["eval_runtime"]) == pytest.approx(100, abs=9)
    assert seen == 2 * firsts(1, 1), "each evaluation sees the first pass"
    endless = fl.rows({"x": X, "y": Y}) >> fl.filter(lambda row: True) >> fl.batch(16) >> fl.to_device("cpu")
    with pytest.raises(GraphError, match=r"TrainingArguments\(max_steps=\.\.\.\)"):
        GraphTrainer(Model(), arguments(), train_dataset=endless)
    seen.clear()
    GraphTrainer(Model(), arguments(max_steps=2), train_dataset=endless).train()
    assert len(seen) == 2


@pytest.mark.hammer
def test_hugging_face_on_two_ranks_sees_every_sample_once(tmp_path: Path) -> None:
    """Accelerate deals the batches of one stream: a graph that deals them already is refused."""
    for module in ("transformers", "accelerate"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    found = ranks(2, folder=tmp_path, module="tests.adapters.children.one_trainer")
    assert [rank.code for rank in found] == [0, 0], "\n".join(rank.log for rank in found)
    one, other = (rank.told[-1] for rank in found)
    assert sorted(one["as it is"] + other["as it is"]) == list(range(200))
    assert set(one["each"]) | set(other["each"]) == set(range(200))
    assert len(one["each"]) == len(other["each"]) == 13 * 8  # of 25 batches, one comes twice
    for rank in (one, other):
        assert (
            "'shard' takes one share of 2 before: the rest of the data would never be seen" in rank["shard"]
        )
    assert all("no fl.shard()" not in rank.log for rank in found)
