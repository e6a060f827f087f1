"""A word to the processor that bytes will soon be read: what lies at random places is then there in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .words import pointer

__all__ = ["LINE", "prefetch"]

LINE = 64  #: bytes of a cache line: one call brings the line that the byte lies in

BYTE, WORD = ir.IntType(8), ir.IntType(32)
READ, KEEP, DATA = (ir.Constant(WORD, value) for value in (0, 3, 1))  # llvm.prefetch's own words


def hint(typingctx: Any, array: Any, offset: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """Bring the cache line at byte `offset` of `array`; the byte must be inside it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = pointer(context, builder, (signature.args[0], args[0]), args[1], BYTE)
        kind = ir.FunctionType(ir.VoidType(), [at.type, WORD, WORD, WORD])
        function = builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
        builder.call(function, [at, READ, KEEP, DATA])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


prefetch = cast("Callable[[NDArray[Any], int], None]", intrinsic(hint))
