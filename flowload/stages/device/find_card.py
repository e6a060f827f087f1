"""Which card a name means: "auto", "cuda", "cuda:1". Imports torch: see `cuda`."""

from __future__ import annotations

import logging
import os

import torch

from flowload.errors import GraphError

__all__ = ["find_gpu", "no_gpu"]

log = logging.getLogger("flowload")

SETTLED: set[int] = set()  #: local ranks whose card was taken, and who might have meant another was told


def find_gpu(target: str, current: int | None = None) -> int | None:
    """The number of the GPU that "auto", "cuda" or "cuda:1" means; None: none is there, and none is needed.

    Args:
        target: the name.
        current: the GPU that is current for whoever asked for the run; None: that of this thread.

    Raises GraphError that names what torch found.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if target == "auto" and not count:
        return None
    _, _, number = target.partition(":")
    index = int(number) if number else current_gpu(count, current)
    if index < count:
        return index
    found = ", ".join(f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(count))
    raise GraphError(
        f"to_device: device is {target!r}, but torch {torch.__version__} finds {found or no_gpu()}"
    )


def current_gpu(count: int, current: int | None = None) -> int:
    """The current GPU; where nobody chose one, and torchrun started us, that of our local rank.

    Choosing a card makes torch initialise CUDA: before that nobody has chosen one. Later the first card may
    be somebody's choice, or nobody's, and torch does not tell which: where that matters, a warning does.
    """
    if current is None and count and torch.cuda.is_initialized():
        current = torch.cuda.current_device()  # torch keeps one a thread
    text = os.environ.get("LOCAL_RANK", "")
    rank = int(text) if text.isdecimal() and int(text) < count else 0
    if current == 0 and rank and rank not in SETTLED:
        log.warning(
            "to_device: takes cuda:%d, for LOCAL_RANK is %d, though cuda:0 is current, as it is where nobody"
            " chose a card: call torch.cuda.set_device(%d) first, or say 'cuda:0' if that is meant",
            rank,
            rank,
            rank,
        )
    if not current and rank:
        SETTLED.add(rank)  # later runs find CUDA initialised, by this one
    return current or rank


def no_gpu() -> str:
    """Why there is no GPU, as far as torch knows."""
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "no GPU: it is built for the CPU alone; install a build for CUDA or ROCm, or use 'auto' or 'cpu'"
        )
    names = ["CUDA_VISIBLE_DEVICES"]
    if torch.version.hip is not None:
        names += ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"]
    hidden = ", ".join(f"{name} is {os.environ[name]!r}" for name in names if name in os.environ)
    return f"no GPU{f' ({hidden})' * bool(hidden)}; check the driver, or use 'auto' or 'cpu'"
