"""How long a fresh process takes to its first batch, imports and all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

from tools.bench.measuring.settings import ROOT, Settings
from tools.bench.measuring.spread import Spread

__all__ = ["first_batches"]

CODE = """
import flowload as fl
graph = (
    fl.discover({data!r}) >> fl.read("lc0") >> fl.shuffle_pool({pool}) >> fl.unpack()
    >> fl.reservoir({reservoir}) >> fl.batch({batch}, layout="tensors"){device}
)
with graph.iterate() as batches:
    batch = next(batches)
    print(len(batch["planes"]), flush=True)
"""


def first_batches(settings: Settings, tell: Callable[[str], None]) -> dict[str, Spread]:
    """Seconds from the start of the interpreter, by what is started; caches are warm."""
    code = {
        "first batch": written(settings, ""),
        'first batch, to_device("cpu")': written(settings, ' >> fl.to_device("cpu")'),
    }
    command = ["-m", "flowload.cli", "run", str(ROOT / "pipelines/chess.py"), "--batches", "1", "--plain"]
    sizes = ["--data", settings.data, "--batch-size", str(settings.batch)]
    starts = {
        "import torch, and nothing else": (["-c", "import torch; print(1, flush=True)"], True),
        **{name: (["-c", text], True) for name, text in code.items()},
        "flowload run --batches 1, to its end": ([*command, *sizes], False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in starts}
    unmeasured = min(1, settings.rounds - 1)  # the one before the first fills the caches
    for number in range(unmeasured + settings.rounds):
        for name, (words, to_first_line) in starts.items():
            took = until(words, to_first_line=to_first_line)
            if number >= unmeasured:
                seconds[name].append(took)
    for name, each in seconds.items():
        tell(f"{Spread.of(each).median:.2f} s  {name}")
    return {name: Spread.of(each) for name, each in seconds.items()}


def written(settings: Settings, device: str) -> str:
    """A user's program."""
    return CODE.format(
        data=settings.data,
        pool=settings.pool,
        reservoir=settings.reservoir,
        batch=settings.batch,
        device=device,
    )


def until(words: Sequence[str], *, to_first_line: bool) -> float:
    """Seconds until a process says something, or until it ends. Raises CalledProcessError if it fails."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, env=environ, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for
        said = process.stdout.readline()
        first = perf_counter()
        process.stdout.read()
    ended = perf_counter()
    if process.returncode or not said:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return (first if to_first_line else ended) - began
