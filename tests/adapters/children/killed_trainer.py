"""A training that is killed: `killed_trainer.py KIND FOLDER AT` dies in step AT (-1: in none), or goes on.

Every ten steps it saves a checkpoint as its trainer does; each batch's first number is a line of a file of
this process.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

import flowload as fl

EVERY = 10
EPOCHS = 3


def graph() -> fl.Graph:
    rows = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    return fl.rows({"x": rows, "y": rows[:, :1].copy()}) >> fl.shuffle() >> fl.batch(16)


class Steps:
    """Notes steps, and dies in one."""

    def __init__(self, folder: Path, at: int) -> None:
        self.path = folder / f"seen-{len(list(folder.glob('seen-*')))}"
        self.path.touch()
        self.at = at
        self.done = 0

    def note(self, x: torch.Tensor) -> None:
        with self.path.open("a") as out:
            out.write(f"{float(x[0, 0])!r}\n")
        self.done += 1
        if self.done == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def layer() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(8, 1)


def with_lightning(folder: Path, steps: Steps) -> Any:
    import lightning  # noqa: PLC0415 - of this kind alone, as below
    from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: PLC0415

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer()

        def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
            steps.note(batch["x"])
            return torch.nn.functional.mse_loss(self.layer(batch["x"]), batch["y"])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

    kept = ModelCheckpoint(
        dirpath=folder / "kept", every_n_train_steps=EVERY, save_top_k=-1, filename="{step}"
    )
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=False, callbacks=[kept],
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    found = sorted((folder / "kept").glob("*.ckpt"), key=lambda path: int(path.stem.split("=")[1]))
    model = Model()
    data = graph().as_torch_dataset(seed=1, length=32)
    trainer.fit(model, data, ckpt_path=found[-1] if found else None, weights_only=False)
    return model.layer.weight.tolist()


def with_hugging_face(folder: Path, steps: Steps) -> Any:
    import transformers  # noqa: PLC0415

    from flowload.adapters.huggingface import GraphTrainer  # noqa: PLC0415

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer()

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
            steps.note(x)
            return {"loss": torch.nn.functional.mse_loss(self.layer(x), y)}

    arguments = transformers.TrainingArguments(
        str(folder / "out"), num_train_epochs=EPOCHS, report_to=[], save_strategy="steps", save_steps=EVERY,
        logging_strategy="no", disable_tqdm=True, use_cpu=True, data_seed=1,
    )  # fmt: skip
    trainer = GraphTrainer(Model(), arguments, train_dataset=graph())
    trainer.train(resume_from_checkpoint=True if any((folder / "out").glob("checkpoint-*")) else None)
    return trainer.model.layer.weight.tolist()


def with_torch(folder: Path, steps: Steps) -> Any:
    dcp: Any = import_module("torch.distributed.checkpoint")
    from flowload.adapters.torch import StreamState  # noqa: PLC0415

    stream, found = StreamState(), sorted(folder.glob("dcp-*/.metadata"))
    if found:
        dcp.load({"data": stream}, checkpoint_id=found[-1].parent, no_dist=True)
    since = int(found[-1].parent.name[4:]) if found else 0
    with graph().iterate(seed=1, epochs=EPOCHS, state=stream.state) as run:
        for batch in run:
            steps.note(torch.as_tensor(batch["x"]))
            if steps.done % EVERY == 0:
                place = folder / f"dcp-{since + steps.done:06}"
                dcp.save({"data": StreamState(run)}, checkpoint_id=place, no_dist=True)
    return None


KINDS = {"lightning": with_lightning, "transformers": with_hugging_face, "torch": with_torch}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    place = Path(sys.argv[2])
    sys.stdout.write(repr(KINDS[sys.argv[1]](place, Steps(place, int(sys.argv[3])))))
