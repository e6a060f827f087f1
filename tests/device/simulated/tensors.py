"""Tensors on a simulated card: torch's own operations, queued in the current stream."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._pytree import tree_map

from .cards import Cards, Stream

__all__ = ["CardTensor", "Storage", "copied", "expect"]


class Storage:
    """Memory of a card, who uses it, and who made it; freed with the last tensor on it."""

    def __init__(self, cards: Cards, card: int, nbytes: int) -> None:
        self.cards = cards
        self.card = card
        self.owner = cards.stream_of(card)
        with cards.lock:
            self.block = cards.memory[card].take(max(1, nbytes), self.owner)
        self.users: set[Stream] = set()
        weakref.finalize(self, cards.memory[card].give_back, self.block, self.users).atexit = False


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes on the card as an ordinary tensor: what a kernel sees when it runs."""
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.as_subclass(torch.Tensor)


class CardTensor(torch.Tensor):
    """Says that it is on a card; what is done with it happens when its stream gets there."""

    storage_on_card: Storage

    @staticmethod
    def on(storage: Storage, host: torch.Tensor) -> CardTensor:
        """A tensor on memory of a card that `host` shows."""
        with torch._C.DisableTorchFunctionSubclass():
            tensor = host.as_subclass(CardTensor)
        tensor.storage_on_card = storage
        return tensor

    @classmethod
    def empty(cls, cards: Cards, card: int, shape: tuple[int, ...], dtype: torch.dtype) -> CardTensor:
        """New memory, in the current stream."""
        nbytes = int(np.prod(shape)) * dtype.itemsize
        storage = Storage(cards, card, nbytes)
        host = torch.from_numpy(storage.block.bytes[:nbytes]).view(dtype).reshape(shape)
        return cls.on(storage, host)

    def record_stream(self, stream: Stream) -> None:  # type: ignore[override]
        """A stream uses it that is not the one it was made in."""
        if stream is not self.storage_on_card.owner:
            self.storage_on_card.users.add(stream)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        own = SPECIAL.get(getattr(func, "__name__", ""))
        if own is None and getattr(func, "__self__", None) in (torch.Tensor.device, torch.Tensor.is_cuda):
            own = of_device if func.__self__ is torch.Tensor.device else (lambda tensor: True)  # type: ignore[attr-defined]
        if own is not None:
            return own(*args, **(kwargs or {}))
        if is_in_place(getattr(func, "__name__", "")):
            return written(func, args, kwargs or {})
        return queued(func, args, kwargs or {})


def of_device(tensor: CardTensor) -> torch.device:
    return torch.device("cuda", tensor.storage_on_card.card)


def to(tensor: CardTensor, target: Any = None, *args: Any, non_blocking: bool = False, **more: Any) -> Any:
    """To the host, which waits for it; to another card; or a cast."""
    if isinstance(target, torch.dtype):
        return queued(torch.Tensor.to, (tensor, target, *args), more)
    device = torch.device(target)
    if device == of_device(tensor):
        return tensor
    storage = tensor.storage_on_card
    cards, here = storage.cards, storage.cards.stream_of(storage.card)
    source = plain(tensor)
    if device.type == "cpu":
        here.synchronize()
        return source.clone()
    made = CardTensor.empty(cards, device.index, tuple(source.shape), source.dtype)
    there, goal = cards.stream_of(device.index), plain(made)
    there.wait_stream(here)
    there.put(lambda: copy(goal, source))
    here.wait_stream(there)
    return made


def is_in_place(name: str) -> bool:
    """Whether a function of this name writes to its first argument."""
    return name in WRITING or (name.endswith("_") and not name.endswith("__"))


def written(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operation that writes to its first argument, when the current stream gets there."""
    storage = args[0].storage_on_card
    plain_args, kwargs = tree_map(bare, args), tree_map(bare, kwargs)
    storage.cards.stream_of(storage.card).put(lambda: func(*plain_args, **kwargs))
    return args[0]


def waited_for(read: Callable[[torch.Tensor], Any]) -> Callable[[CardTensor], Any]:
    """What the host learns of a tensor: it waits for the current stream."""

    def learn(tensor: CardTensor) -> Any:
        return read(to(tensor, "cpu"))

    return learn


def refused(tensor: CardTensor, *_: Any, **__: Any) -> Any:
    """numpy cannot look on a card."""
    raise TypeError(f"can't convert {of_device(tensor)} device type tensor to numpy (simulated)")


def queued(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operation: its result is there when the current stream has got so far."""
    first = next(leaf for leaf in torch.utils._pytree.tree_leaves((args, kwargs)) if type(leaf) is CardTensor)
    storage = first.storage_on_card
    stream = storage.cards.stream_of(storage.card)
    args, kwargs = tree_map(bare, args), tree_map(bare, kwargs)
    with storage.cards.lock:  # values mean nothing yet, but the shape of what comes does
        seen = func(*(safe_numbers(args) if func is torch.Tensor.__getitem__ else args), **kwargs)

    def result(now: Any, again: Callable[[], torch.Tensor]) -> Any:
        if not isinstance(now, torch.Tensor):
            return now
        if now.untyped_storage().data_ptr() == plain(first).untyped_storage().data_ptr():
            return CardTensor.on(storage, now)  # a view
        made = CardTensor.empty(storage.cards, storage.card, tuple(now.shape), now.dtype)
        goal = plain(made)
        stream.put(lambda: copy(goal, again()))
        return made

    if isinstance(seen, tuple | list):
        return type(seen)(result(each, lambda k=k: func(*args, **kwargs)[k]) for k, each in enumerate(seen))  # type: ignore[misc]
    return result(seen, lambda: func(*args, **kwargs))


def nonzero(tensor: CardTensor) -> CardTensor:
    """How many there are the host must know: it waits for the current stream."""
    storage = tensor.storage_on_card
    stream = storage.cards.stream_of(storage.card)
    stream.synchronize()
    seen = plain(tensor).nonzero()
    made = CardTensor.empty(storage.cards, storage.card, tuple(seen.shape), seen.dtype)
    goal = plain(made)
    stream.put(lambda: copy(goal, seen))
    return made


def repeat_interleave(
    values: CardTensor, repeats: CardTensor, *, output_size: int | None = None
) -> CardTensor:
    """Where the host knows how many come, it waits for nobody."""
    storage = values.storage_on_card
    stream = storage.cards.stream_of(storage.card)
    if output_size is None:
        stream.synchronize()
        output_size = int(plain(repeats).sum())
    made = CardTensor.empty(storage.cards, storage.card, (output_size,), plain(values).dtype)
    goal, own, times = plain(made), plain(values), plain(repeats)
    stream.put(lambda: copy(goal, torch.repeat_interleave(own, times)))
    return made


def safe_numbers(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of `tensor[numbers]`: as many numbers, that are not out of bounds."""

    def safe(value: Any) -> Any:
        tensor = isinstance(value, torch.Tensor) and value.dtype in (torch.int64, torch.int32)
        return torch.zeros_like(value) if tensor else value

    return (args[0], *tree_map(safe, args[1:]))


def bare(value: Any) -> Any:
    return plain(value) if type(value) is CardTensor else value


def copy(goal: torch.Tensor, source: torch.Tensor) -> None:
    goal.copy_(source)


#: Functions that write to their first argument, beside those whose names end so.
WRITING = "__iadd__", "__isub__", "__imul__", "__setitem__"

SPECIAL: dict[str, Callable[..., Any]] = {
    "nonzero": nonzero,
    "repeat_interleave": repeat_interleave,
    "to": to,
    "cpu": lambda tensor: to(tensor, "cpu"),
    "cuda": lambda tensor: tensor,
    "__int__": waited_for(int),
    "__bool__": waited_for(bool),
    "__array__": refused,
    "numpy": refused,
    "item": waited_for(torch.Tensor.item),
    "data_ptr": lambda tensor: plain(tensor).data_ptr(),
    "__repr__": lambda tensor: f"<{list(tensor.shape)} on {of_device(tensor)}>",
}


def copied(cards: Cards, source: torch.Tensor, device: torch.device, *, wait: bool) -> CardTensor:
    """A copy from the host, in the current stream: of page-locked memory what is there when it happens.

    Raises OutOfMemoryError.
    """
    with cards.lock:
        cards.copies += 1
        if cards.fails_at == cards.copies:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        index: int | None = device.index
        card = cards.current if index is None else index
        stream = cards.stream_of(card)
        made = CardTensor.empty(cards, card, tuple(source.shape), source.dtype)
        bytes_, nbytes = made.storage_on_card.block.bytes, source.nbytes
        start, at = source.data_ptr(), cards.lock_around(source.data_ptr(), nbytes)
        if at is None or not source.is_contiguous():
            staged = source.contiguous().clone().reshape(-1).view(torch.uint8).numpy()
            stream.put(lambda: put(bytes_, staged))
            return made

        def read() -> None:
            if at not in cards.locked:
                cards.faults.append("a copy reads memory that is not page-locked any more")
            else:
                ctypes.memmove(bytes_.ctypes.data, start, nbytes)

        stream.put(read)
        if wait:
            stream.run()
        return made


def put(goal: NDArray[np.uint8], source: NDArray[np.uint8]) -> None:
    goal[: len(source)] = source


def expect(tensor: Any, wanted: NDArray[Any], what: str = "batch") -> None:
    """Queue a kernel in the current stream that compares a tensor with what it should be."""
    storage: Storage = tensor.storage_on_card
    cards, now, wanted = storage.cards, plain(tensor), np.array(wanted)

    def kernel() -> None:
        cards.checks += 1
        if not np.array_equal(now.numpy(), wanted, equal_nan=wanted.dtype.kind == "f"):
            cards.faults.append(f"{what}: wrong data")

    cards.stream_of(storage.card).put(kernel)
