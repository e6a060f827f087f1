"""A rank, under torchrun: trains by two scripts, without and with an interruption; tells what came of it."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

SCRIPTS = {
    "lc0": ["--batch-size", "64", "--width", "4", "--blocks", "1", "--save-every", "2"],
    "nnue": ["--batch-size", "1024", "--width", "16"],
}
STEPS, INTERRUPTED = "6", "3"


def digest(net: nn.Module) -> str:
    """A word for all parameters. Buffers are each rank's own until the next step."""
    found = hashlib.sha256()
    for value in net.parameters():
        found.update(value.detach().numpy().tobytes())
    return found.hexdigest()[:16]


def learned(script: Any, folder: str, own: Sequence[str]) -> list[str]:
    """What one script makes of it: at once, interrupted, and over a whole pass."""

    def train(out: str, *more: str) -> str:
        net: nn.Module = script.train(
            script.parse([*own, "--out", f"{folder}/{out}", *more]), torch.device("cpu")
        )
        return digest(net)

    whole = train("whole", "--steps", STEPS)
    train("parts", "--steps", INTERRUPTED)
    return [whole, train("parts", "--steps", STEPS), train("pass", "--epochs", "1")]


def main(folder: str) -> None:
    told: dict[str, list[str]] = {}
    packed = ["--packed", f"{folder}/packed"]  # packed by whoever comes first
    with importlib.import_module("examples.lc0").process_group() as device:
        assert device.type == "cpu"
        for name, own in SCRIPTS.items():
            script = importlib.import_module(f"examples.{name}")
            told[name] = learned(script, f"{folder}/{name}", [*own, *(packed if name == "nnue" else [])])
    told["threads"] = [thread.name for thread in threading.enumerate() if thread.name.startswith("flowload")]
    Path(folder, f"rank{os.environ['RANK']}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
