"""A member of no run, and calls of it, for tests of what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowload.abc.operators import OnError
from flowload.errors import DataError
from flowload.runtime.tasks.call import Member
from tests.runtime.stages import (
    Folds,
    Step,
    ints,
)

__all__ = ["bad", "member", "settled"]


def bad(number: int, reason: str = "bad number", source: str = "a.txt") -> DataError:
    return DataError(reason, where=f"{source}: record {number}")


def member(on_error: OnError = "raise", max_errors: int | float | None = None) -> Member:
    def lease(nbytes: int, device: object) -> Any:
        return np.zeros(nbytes, np.uint8)

    return Member(
        name="step",
        node="step",
        where="here.py:1",
        stage=Step(make=list, on_error=on_error, max_errors=max_errors),
        operator=Folds(),
        keys=(1, 2),
        lease=lease,
    )


def settled(one: Member, act: Any, samples: int = 5) -> tuple[int, dict[str, int], int]:
    call = one.call(0, ints(range(samples)), samples)
    act(call)
    one.settle(call)
    return one.meter.in_, dict(one.meter.dropped), one.meter.skipped
