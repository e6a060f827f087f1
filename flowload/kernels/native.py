"""Calls of C functions by their address, from inside a kernel: without Python, and without its lock.

Addresses are numbers that a kernel is given, not names that it is linked with: so it is cached on disk, and
works with whatever library the process has loaded. Nothing checks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic

from .words import I32, I64

__all__ = ["call_one", "call_pread", "call_two"]


def function(builder: Any, address: Any, result: ir.Type, arguments: list[ir.Type]) -> Any:
    """An address as something to call."""
    return builder.inttoptr(address, ir.FunctionType(result, arguments).as_pointer())


def one(typingctx: Any, address: Any, pointer: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """The result of `int f(void *)`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        found = builder.call(function(builder, args[0], I32, [I64]), [args[1]])
        return builder.sext(found, I64)

    return types.int64(types.int64, types.int64), codegen


call_one = cast("Callable[[int, int], int]", intrinsic(one))


def two(typingctx: Any, address: Any, pointer: Any, number: Any) -> Any:  # noqa: ARG001
    """The result of `int f(void *, int)`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        found = builder.call(
            function(builder, args[0], I32, [I64, I32]), [args[1], builder.trunc(args[2], I32)]
        )
        return builder.sext(found, I64)

    return types.int64(types.int64, types.int64, types.int64), codegen


call_two = cast("Callable[[int, int, int], int]", intrinsic(two))


def positional(typingctx: Any, address: Any, fd: Any, to: Any, count: Any, offset: Any) -> Any:  # noqa: ARG001
    """The result of `ssize_t pread(int, void *, size_t, off_t)`, all but the first of 64 bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        kind = function(builder, args[0], I64, [I32, I64, I64, I64])
        return builder.call(kind, [builder.trunc(args[1], I32), *args[2:]])

    return types.int64(types.int64, types.int64, types.int64, types.int64, types.int64), codegen


call_pread = cast("Callable[[int, int, int, int, int], int]", intrinsic(positional))
