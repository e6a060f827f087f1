"""The operators of one stage as a run has them, without a run."""

from __future__ import annotations

from typing import Any

from flowload.abc.operators import OnError
from flowload.runtime.tasks.call import Member
from tests.runtime.stages import Step, ints

__all__ = ["members"]


def members(node: str, *operators: Any, on_error: OnError = "raise") -> list[Member]:
    return [
        Member(
            name=f"{node}.{k}",
            node=node,
            where="here.py:1",
            stage=Step(make=list, on_error=on_error),
            operator=operator,
            keys=(1, k),
            lease=lambda nbytes, device: ints([]).values.view("u1"),
        )
        for k, operator in enumerate(operators)
    ]
