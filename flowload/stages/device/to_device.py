"""`fl.to_device`: batches as torch tensors, where the training step wants them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from flowload.abc.needs import Need
from flowload.abc.operators import Device, OnError, Operator, Setting
from flowload.abc.powers import Finish
from flowload.abc.stage import Joins, whole
from flowload.blocks import Batch, Item
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords

from .at_reader import AsArrays
from .places import copies_ahead
from .to_cpu import ToCpu

__all__ = ["ToDeviceStage", "to_device"]

log = logging.getLogger("flowload")

NAMES = re.compile(r"auto|cpu|mps(:0)?|(cuda|xpu)(:(0|[1-9][0-9]{0,3}))?")
PLAIN = "mps", "xpu"  #: devices of plain copies
CALLED_CUDA = ("hip", "rocm", "nvidia", "amd", "gpu")  #: by others; torch says "cuda", for AMD's cards, too

#: One of these is there where Linux has a GPU that torch could call "cuda" (NVIDIA, Tegra, AMD, WSL).
DRIVERS = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvmap", "/dev/kfd", "/dev/dxg")))


@dataclass(frozen=True, kw_only=True)
class ToDeviceStage(Stage):
    """The declaration of `to_device`; torch, which takes a second to import, waits for a run."""

    word: ClassVar[str] = "to_device"
    accepts: ClassVar[tuple[type, ...]] = (Batch, Item)
    makes: ClassVar[type] = Batch
    keeps: ClassVar[bool] = True
    alike: ClassVar[bool] = True

    target: str = "auto"
    prefetch: int | None = None

    @property
    def executor(self) -> str:  # type: ignore[override]  # a class variable elsewhere
        """For a card "io": a call may wait for it, and takes no CPU."""
        return "kernel" if self.on_cpu() or self.target.startswith(PLAIN) else "io"

    @property
    def page_locks(self) -> bool:
        """Whether the memory of batches is page-locked, for copies to a card that torch calls "cuda"."""
        return self.executor == "io"

    @property
    def bundles(self) -> bool:  # type: ignore[override]  # a class variable elsewhere
        """On a CPU, where batches are looked at, not copied."""
        return self.on_cpu()

    def remembered(self) -> Mapping[str, object]:
        """Nothing: where batches go changes no sample."""
        return {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not NAMES.fullmatch(str(self.target)):
            hint = "; torch calls it 'cuda'" if self.target.partition(":")[0] in CALLED_CUDA else ""
            raise GraphError(
                f"to_device: device is {self.target!r}{hint}; wanted 'auto', 'cpu', 'cuda' or a card:"
                " 'cuda:1'; or 'mps' (Apple), 'xpu' or 'xpu:1' (Intel)"
            )
        if self.prefetch is not None and not (whole(self.prefetch) and self.prefetch >= 0):
            raise GraphError(
                f"to_device: prefetch is {self.prefetch!r}; wanted a number of batches from 0, or None"
            )
        if self.prefetch is not None and self.target.startswith(("cpu", *PLAIN)):
            raise GraphError(
                f"to_device: prefetch is for cards that torch calls 'cuda'; on {self.target!r} nothing is"
                " copied ahead by number; leave it out"
            )

    def parameters(self) -> Mapping[str, object]:
        """What to print, by the word's own parameter names."""
        return {"device" if key == "target" else key: value for key, value in super().parameters().items()}

    def device(self, setting: Setting) -> Device | None:
        """What prepares the buffers that batches are encoded into; None: nobody needs to.

        Equal from call to call, so that memory is prepared once. Raises GraphError if the device is absent.
        """
        index = self.index(setting.card)
        if index is None:
            return None  # a plain copy reads any memory
        from .page_lock import PageLock  # noqa: PLC0415 - imports torch

        return PageLock(index)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One map; for a card that torch calls "cuda" one fold."""
        index = self.index(setting.card)
        if self.target == "auto":
            say_once(choice(index))
        if index is not None:
            from .cuda import ToCuda  # noqa: PLC0415 - imports torch

            ahead, shared = copies_ahead(setting, self.prefetch, self.ahead(setting))
            large = shared is None and any(stage.word == "read_windows" for stage in setting.upstream)
            return (ToCuda(index, ahead, windows=shared, large=large),)
        if self.on_cpu():
            return (AsArrays(),) if self.ends_at_reader(setting) else (ToCpu(),)
        from .plain_copies import PlainCopies, find_device  # noqa: PLC0415 - imports torch

        return (PlainCopies(find_device(self.target)),)

    def joins(self, setting: Setting) -> Joins:  # noqa: ARG002 - wherever it stands
        """Each batch becomes one, unless it may be left out."""
        return "before" if self.on_error == "raise" else "behind"

    def on_cpu(self) -> bool:
        """Whether batches stay in the memory of the CPU."""
        return self.target == "cpu" or (self.target == "auto" and not has_gpu())

    def ends_at_reader(self, setting: Setting) -> bool:
        """Whether tensors are made in another process, where they are read."""
        return setting.elsewhere and not setting.downstream and self.on_cpu()

    def in_run(self) -> ToDeviceStage:
        """See `AtReader`: batches cross the border as for a CPU, wherever their reader has them copied to."""
        return replace(self, target="cpu", prefetch=None)

    def at_reader(self, setting: Setting) -> Finish | None:
        """See `AtReader`."""
        index = self.index(setting.card)
        if self.target == "auto":
            say_once(choice(index))
        from .reader.tensors import PlainAtReader, TensorsAtReader  # noqa: PLC0415 - imports torch

        if index is not None:
            from .reader.copies import CopiesAtReader  # noqa: PLC0415 - imports torch

            ahead, shared = copies_ahead(setting, self.prefetch, self.ahead(setting))
            return CopiesAtReader(index, ahead, windows=shared)
        if self.on_cpu():
            return TensorsAtReader()
        from .plain_copies import find_device  # noqa: PLC0415 - imports torch

        return PlainAtReader(find_device(self.target))

    def needs(self, setting: Setting) -> Iterable[Need]:
        """torch itself takes as long to import as a kernel to compile."""
        return [] if self.ends_at_reader(setting) else [(import_module, ("torch",))]

    def memory(self, setting: Setting) -> int:
        """Bytes on the card: of the batch, or window, that the consumer has, and of those ahead of it."""
        if self.executor == "kernel":
            return 0
        from .card_memory import on_the_way  # noqa: PLC0415 - imports torch

        known = (stage.given_bytes(setting) for stage in setting.upstream if hasattr(stage, "given_bytes"))
        return on_the_way(next(known, 0), self.ahead(setting))

    def ahead(self, setting: Setting) -> int | None:
        """Batches, or windows, on a card beside the one in use; None: as many as take 64 MiB."""
        if self.prefetch is not None:
            return self.prefetch
        told = (stage.prefetch for stage in setting.upstream if stage.word == "read_windows")
        return next(told, None)

    def any_card(self) -> bool:
        """Whether it takes the card that is current for whoever asks for the run."""
        return self.target in ("auto", "cuda") and not self.on_cpu()

    def index(self, current: int | None = None) -> int | None:
        """The number of the GPU that torch calls "cuda"; None: the CPU, or a device of another kind.

        Args:
            current: see `Setting.card`.
        """
        if self.on_cpu() or self.target.startswith(PLAIN):
            return None
        from .find_card import find_gpu  # noqa: PLC0415 - imports torch

        return find_gpu(self.target, current)


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
    """The device that "auto" means here, and why, for messages."""
    if index is not None:
        return f"to_device: 'auto' is cuda:{index}"
    if not may_have_gpu():
        files = ", ".join(map(str, DRIVERS))
        why = f"none of {files} is here" if sys.platform == "linux" else f"no CUDA on {sys.platform}"
        return f"to_device: 'auto' is the CPU: {why}"
    from .find_card import no_gpu  # noqa: PLC0415 - imports torch

    return f"to_device: 'auto' is the CPU: torch finds {no_gpu()}"


@cache
def say_once(text: str) -> None:
    """A line of the log, the first time: a training has a run for each epoch."""
    log.info("%s", text)


@names_keywords
def to_device(
    device: str = "auto",
    *,
    prefetch: int | None = None,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Give batches as torch tensors on a device.

    On the CPU nothing is copied: tensors lie on the leased memory of the batch. For a GPU batches are
    encoded into page-locked memory and copied ahead, in a stream of their own, while the consumer works;
    the consumer's current stream waits for the copy, the consumer's thread does not. At most two copies are
    under way at once, and few batches lie on the GPU ahead: see `prefetch`. All runs of a process share one
    stream of each GPU, so an epoch reserves no more memory than the one before.

    CUDA graphs are captured beside a run with `torch.cuda.graph(..., capture_error_mode="thread_local")`. The
    default, "global", forbids calls of CUDA to all threads of the process, also to those that load: the run
    ends with a FlowloadError that says so.

    Read-only arrays that batches share (`Batch.whole`), such as constant pair indices, are copied once: all
    batches get the same tensor. Do not write to it; a run that sees that somebody did raises FlowloadError.

    Args:
        device: "auto" (a GPU if torch finds one for "cuda", else the CPU; the log says which, once), "cpu",
            "cuda" (the GPU, of NVIDIA or AMD, that is current in the thread that calls `iterate` or `stream`;
            where that is the first, and torchrun started the process, the one of LOCAL_RANK), or a
            certain card such as "cuda:1". "mps" (Apple) and "xpu" (Intel; "xpu:1") get plain copies: of
            ordinary memory, each waited for by the thread of this stage.
        prefetch: batches on a GPU beside the one that the consumer has, at most; and of arrays that batches
            share, such as windows, so many beside those of its batch. None: of windows as many as
            `windows(prefetch=)` says, of others as many as take 64 MiB, and always one. 0: only the current
            one; the next is copied when the consumer has let go of it (`del batch`), or else when it waits
            for more: then both are there. A consumer that keeps batches gets more all the same.
        workers: calls at once; None: as many as there are CPUs. A GPU takes one batch after the other.
        on_error: "skip" counts batches that failed with a DataError, instead of ending the run.
        max_errors: how many samples (int) or which share (float) may be skipped.

    Examples:
        >>> graph = fl.rows({"x": np.arange(3)}) >> fl.batch(3) >> fl.to_device("cpu")
        >>> with graph.iterate() as batches:
        ...     print(next(batches)["x"])
        tensor([0, 1, 2])
    """
    return place(
        ToDeviceStage(
            target=str(device),
            prefetch=prefetch,
            workers=workers,
            on_error=on_error,
            max_errors=max_errors,
        )
    )
