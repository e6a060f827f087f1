"""`fl.to_device`: batches as torch tensors, where the training step wants them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flowload.blocks import Batch, Bundle, Item
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.protocols import Block, Call, Device, OnError, Operator, Setting

if TYPE_CHECKING:
    from .tensor import SharedTensors

__all__ = ["ToCpu", "ToDeviceStage", "in_order", "to_device"]

log = logging.getLogger("flowload")

NAMES = re.compile(r"auto|cpu|mps(:0)?|(cuda|xpu)(:(0|[1-9][0-9]{0,3}))?")
CALLED_CUDA = ("hip", "rocm", "nvidia", "amd", "gpu")  #: by others; torch says "cuda", for AMD's cards, too

#: One of these is there where Linux has a GPU that torch could call "cuda" (NVIDIA, Tegra, AMD, WSL).
DRIVERS = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvmap", "/dev/kfd", "/dev/dxg")))


@dataclass(frozen=True, kw_only=True)
class ToDeviceStage(Stage):
    """The declaration of `to_device`; torch, which takes a second to import, waits for a run."""

    word: ClassVar[str] = "to_device"
    accepts: ClassVar[tuple[type, ...]] = (Batch, Item)
    keeps: ClassVar[bool] = True

    target: str = "auto"

    @property
    def bundles(self) -> bool:  # type: ignore[override]  # a class variable elsewhere
        """On a CPU, where batches are looked at, not copied."""
        return self.on_cpu()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not NAMES.fullmatch(str(self.target)):
            hint = "; torch calls it 'cuda'" if self.target.partition(":")[0] in CALLED_CUDA else ""
            raise GraphError(
                f"to_device: device is {self.target!r}{hint}; wanted 'auto', 'cpu', 'cuda' or a card:"
                " 'cuda:1'; or 'mps' (Apple), 'xpu' or 'xpu:1' (Intel)"
            )

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - whatever comes
        """Batches of tensors."""
        return {"out": Batch}

    def parameters(self) -> Mapping[str, object]:
        """What to print, by the word's own parameter names."""
        return {"device" if key == "target" else key: value for key, value in super().parameters().items()}

    def device(self) -> Device | None:
        """What prepares the buffers that batches are encoded into; None: nobody needs to.

        Equal from call to call, so that memory is prepared once. Raises GraphError if the device is absent.
        """
        index = self.index()
        if index is None:
            return None  # a plain copy reads any memory
        from .cuda import PageLock  # noqa: PLC0415 - imports torch

        return PageLock(index)

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """One map."""
        index = self.index()
        if self.target == "auto":
            say_once(choice(index))
        if index is not None:
            from .cuda import ToCuda  # noqa: PLC0415 - imports torch

            return (ToCuda(index),)
        if self.on_cpu():
            return (ToCpu(),)
        from .plain_copies import PlainCopies, find_device  # noqa: PLC0415 - imports torch

        return (PlainCopies(find_device(self.target)),)

    def on_cpu(self) -> bool:
        """Whether batches stay in the memory of the CPU."""
        return self.target == "cpu" or (self.target == "auto" and not has_gpu())

    def index(self) -> int | None:
        """The number of the GPU that torch calls "cuda"; None: the CPU, or a device of another kind."""
        if self.on_cpu() or self.target.startswith(("mps", "xpu")):
            return None
        from .cuda import find_gpu  # noqa: PLC0415 - imports torch

        return find_gpu(self.target)


class ToCpu:
    """Shows arrays as tensors on the same memory; arrays that batches share are copied, once."""

    @cached_property
    def shared(self) -> SharedTensors:
        """Made in a call: it imports torch, beside the stages above."""
        from .tensor import SharedTensors  # noqa: PLC0415

        return SharedTensors()

    def apply(self, block: Block, call: Call) -> Batch | Bundle:
        """The tensors of a batch, or of several; GraphError for what is no batch, or has no tensor."""
        if not isinstance(block, Bundle):
            return self.tensors(block, call)
        from .tensor import Like  # noqa: PLC0415 - imports torch

        first, *others = block.bundled
        made = [self.tensors(first, call)]
        like = Like(first, made[0])
        made += [like.made(batch) if like.suits(batch) else self.tensors(batch, call) for batch in others]
        return Bundle(tuple(made), block.nbytes, block.samples)

    def tensors(self, block: Block, call: Call) -> Batch:
        """Of one batch."""
        from .tensor import as_batch, as_tensors  # noqa: PLC0415 - imports torch

        batch = as_batch(block, call)
        own, shared = as_tensors(batch, self.shared)
        return Batch(own.arrays, in_order({**own.whole, **shared}, batch.whole), more=batch.more)


def in_order(values: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The same in the order of these keys."""
    return {key: values[key] for key in keys}


def may_have_gpu() -> bool:
    """Whether torch is worth asking for a GPU: on Linux one has a device file.

    Elsewhere only a torch that is imported is asked: on a Mac the answer is known without.
    """
    return any(path.exists() for path in DRIVERS) if sys.platform == "linux" else "torch" in sys.modules


def has_gpu() -> bool:
    """Whether torch finds a GPU that it calls "cuda"; where none can be, torch is not asked."""
    if not may_have_gpu():
        return False
    import torch  # noqa: PLC0415 - takes a second

    return torch.cuda.is_available() and torch.cuda.device_count() > 0


def choice(index: int | None) -> str:
    """What "auto" chose, and why."""
    if index is not None:
        return f"to_device: 'auto' is cuda:{index}"
    if not may_have_gpu():
        files = ", ".join(map(str, DRIVERS))
        why = f"none of {files} is here" if sys.platform == "linux" else f"no CUDA on {sys.platform}"
        return f"to_device: 'auto' is the CPU: {why}"
    from .cuda import no_gpu  # noqa: PLC0415 - imports torch

    return f"to_device: 'auto' is the CPU: torch finds {no_gpu()}"


@cache
def say_once(text: str) -> None:
    """A line of the log, the first time: a training has a run for each epoch."""
    log.info("%s", text)


def to_device(
    device: str = "auto",
    *,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Give batches as torch tensors on a device.

    On the CPU nothing is copied: tensors lie on the leased memory of the batch. For a GPU batches are
    encoded into page-locked memory and copied ahead, in a stream of their own, while the consumer works;
    the consumer's current stream waits for the copy, the consumer's thread does not.

    Read-only arrays that batches share (`Batch.whole`), such as constant pair indices, are copied once: all
    batches get the same tensor. Do not write to it; a run that sees that somebody did raises FlowloadError.

    Args:
        device: "auto" (a GPU if torch finds one for "cuda", else the CPU; the log says which, once), "cpu",
            "cuda" (this thread's current GPU, of NVIDIA or AMD; under torchrun the one of LOCAL_RANK), or a
            certain card such as "cuda:1". "mps" (Apple) and "xpu" (Intel; "xpu:1") get plain copies: of
            ordinary memory, each waited for by the thread of this stage.
        workers: calls at once; None: as many as there are CPUs.
        on_error: "skip" counts batches that failed with a DataError, instead of ending the run.
        max_errors: how many samples (int) or which share (float) may be skipped.
    """
    return place(ToDeviceStage(target=str(device), workers=workers, on_error=on_error, max_errors=max_errors))
