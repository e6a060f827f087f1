"""A training script that is killed in the worst moment: `killed.py NAME THREADS ARGUMENTS...`.

Its second checkpoint is written, and does not have its name yet.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

REPLACE = Path.replace
KILLED = 2  #: the checkpoint that is not finished
seen: list[Path] = []


def replace(draft: Path, target: Path) -> Path:
    """Stands for `Path.replace`."""
    seen.append(target)
    if len(seen) == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    return REPLACE(draft, target)


def main(name: str, threads: str, *arguments: str) -> None:
    if name != "physnet_jax":
        import torch  # noqa: PLC0415 - only where it trains

        torch.set_num_threads(int(threads))  # as in the test: sums are split among them
    Path.replace = replace  # type: ignore[method-assign, assignment]  # as long as this process lives
    importlib.import_module(f"examples.{name}").main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
