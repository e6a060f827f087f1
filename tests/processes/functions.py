"""What users would give to `fl.map`, in a module that a worker process can import."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import numpy as np

Batch = dict[str, Any]


def clipped(batch: Batch) -> Batch:
    return {**batch, "x": np.minimum(batch["x"], 1)}


def noisy(batch: Batch, rng: np.random.Generator) -> Batch:
    return {**batch, "x": batch["x"] + rng.normal(size=batch["x"].shape)}


class Times:
    def __init__(self, factor: np.float32) -> None:
        self.factor = factor

    def __call__(self, batch: Batch) -> Batch:
        return {"x": batch["x"] * self.factor}


def many_kinds(batch: Batch) -> Batch:
    x = batch["x"]
    return {
        "backwards": x[::-1, ::-1],
        "empty": x[:, :0],
        "fortran": np.asfortranarray(x),
        "words": np.array([f"{value:.1f}" for value in x[:, 0]]),
        "swapped": x.astype(">f8"),
        "read only": np.broadcast_to(x[:1], x.shape),
        "structured": np.zeros(len(x), [("a", "i4"), ("b", "f2", 3)]),
    }


def doubled(value: str) -> str:
    return 2 * value


def in_place(batch: Batch) -> Batch:
    batch["x"] += 1
    return batch


class Keeps:
    """Remembers all arrays it was ever given."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def __call__(self, batch: Batch) -> Batch:
        self.kept.append(batch["x"])
        total = sum(float(each.sum(dtype=np.float64)) for each in self.kept)
        return {"total": np.full(len(batch["x"]), total)}


def none_for_some(batch: Batch) -> Batch | None:
    return None if batch["number"][0] % 2 else batch


def divides(batch: Batch) -> int:
    return divided(len(batch["x"]), 0)


def divided(value: int, zero: int) -> int:
    return value // zero


def fails_oddly(batch: Batch) -> Batch:
    class Odd(Exception):  # noqa: N818 - nothing that can be pickled
        pass

    raise Odd(f"{len(batch['x'])} samples")


def ends(_: Batch) -> Batch:
    os._exit(3)


def exits(_: Batch) -> Batch:
    sys.exit(3)


def returns_a_lock(_: Batch) -> Any:
    return threading.Lock()


def killed_at_seven(batch: Batch) -> Batch:
    if 7 in batch["number"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return batch


def waits_from_two_on(value: int) -> int:
    if value >= 2:
        threading.Event().wait()
    return value


def tells_and_waits(_: int) -> int:
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    while True:
        pass


def interrupted(_: int) -> Any:
    return signal.getsignal(signal.SIGINT)


def seen_as_tensors(batch: Batch) -> Batch:
    """The same tensors, and what they are there."""
    return {**batch, "kinds": [f"{value.dtype} {tuple(value.shape)}" for value in batch.values()]}
