"""How a kernel that takes long learns that nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .words import I8, I64, pointer

__all__ = ["STOPPED", "is_stopped"]

STOPPED = -1  #: what a kernel returns that was stopped; what it has written is of no use


def look(typingctx: Any, flag: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """Whether the first byte of an array is not zero, read from memory each time: another thread sets it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = pointer(context, builder, (signature.args[0], args[0]), ir.Constant(I64, 0), I8)
        return builder.icmp_unsigned("!=", builder.load_atomic(at, "monotonic", 1), ir.Constant(I8, 0))

    return types.boolean(flag), codegen


is_stopped = cast("Callable[[NDArray[Any]], bool]", intrinsic(look))
