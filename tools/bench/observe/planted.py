"""Slow-downs planted in a stage, whatever it is: before each of its calls, time goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from time import sleep, thread_time
from typing import Any, Literal, TypeAlias

from flowload.abc.operators import Fold, Map, Operator, Setting, Source
from flowload.graph import Stage

__all__ = ["Calls", "How", "planted"]

How: TypeAlias = Literal["spin", "sleep", "python", "locked"]

PIECE = bytes(1 << 19)  #: hashed at a time: long enough that threads rarely meet at the interpreter's lock


def spin(seconds: float) -> None:
    """Use a CPU for so long, as a kernel does: without the interpreter's lock."""
    until = thread_time() + seconds
    while thread_time() < until:
        sha256(PIECE).digest()


def compute(seconds: float) -> None:
    """Use a CPU for so long in Python itself: with the interpreter's lock, but for others in between."""
    until = thread_time() + seconds
    total = 0
    while thread_time() < until:
        for number in range(2_000):
            total += number * number


def hold(seconds: float) -> None:
    """Use a CPU for so long in C, with the interpreter's lock: others wait until each call is over."""
    until = thread_time() + seconds
    while thread_time() < until:
        sorted(NUMBERS, key=None)


def pause(seconds: float) -> None:
    """Wait, as for a disk."""
    sleep(seconds)


NUMBERS = [number * 7919 % 100_003 for number in range(20_000)]  #: sorted in 1 to 3 ms
WASTES: Mapping[str, Callable[[float], None]] = {
    "spin": spin,
    "sleep": pause,
    "python": compute,
    "locked": hold,
}


class Calls:
    """How many calls were slowed down; those of several threads that come at once may count as one."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def planted(stage: Stage, seconds: float, how: How) -> Iterator[Calls]:
    """While inside, every call of stages of this kind takes so much longer: of their last operator."""
    kind = type(stage)
    calls = Calls()
    own = kind.open
    waste = WASTES[how]

    def opened(self: Stage, setting: Setting) -> Sequence[Operator]:
        operators = list(own(self, setting))
        operators[-1] = slowed(operators[-1], delay)
        return operators

    def delay() -> None:
        calls.count += 1
        waste(seconds)

    kind.open = opened  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        kind.open = own  # type: ignore[method-assign]


def slowed(operator: Operator, waste: Callable[[], None]) -> Operator:
    """The operator, made a member of a class of its own whose calls waste time first."""
    if isinstance(operator, Map):
        methods = {"apply": before(type(operator).apply, waste)}
    elif isinstance(operator, Fold):
        methods = {"push": before(type(operator).push, waste)}
    elif isinstance(operator, Source):
        methods = {"epoch": between(type(operator).epoch, waste)}
    else:
        raise TypeError(f"{operator!r} has no calls to slow down")
    operator.__class__ = type("Slowed", (type(operator),), methods)
    return operator


def before(method: Callable[..., Any], waste: Callable[[], None]) -> Callable[..., Any]:
    """The method, later."""

    def slow(self: Any, block: Any, call: Any) -> Any:
        waste()
        return method(self, block, call)

    return slow


def between(method: Callable[..., Any], waste: Callable[[], None]) -> Callable[..., Any]:
    """A source's pass, each block of it later."""

    def slow(self: Any, number: int, call: Any) -> Iterator[Any]:
        for block in method(self, number, call):
            waste()
            yield block

    return slow
